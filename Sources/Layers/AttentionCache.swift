import Tensors

/// The keys and values of tokens read in earlier replays, to which a sequence continues to attend: the memory of Transformer-XL,
/// https://arxiv.org/abs/1901.02860. No gradient flows into them, and they stay as the parameters of their time made them.
///
///     let cache = AttentionCache(length: 512, rows: 64, in: graph)
///     let hidden = trunk.continued(ids, places: places, cache: cache, in: graph)
///     graph.forward()
///     cache.append(64)        // the next replay attends to these rows too
///
/// Keys are kept before their rotation, so that positions count from the oldest row kept. A cache belongs to one graph.
public final class AttentionCache<S: Scalar> {
    /// M, the maximal number of earlier rows.
    public let length: Int
    /// The number of first rows that stay when others make room: attention needs them, for it gathers there when nothing is relevant.
    /// https://arxiv.org/abs/2309.17453
    public let anchors: Int
    /// T, the number of rows that a replay reads.
    public let rows: Int
    /// The number of earlier rows kept.
    public private(set) var count = 0
    /// (1, M + T), 1 where a key is present: the last `count` earlier rows, and all rows of the replay.
    let mask: Tensor<S>
    /// What is kept, (M, C) each, and what the replay adds to it, (T, C), in the order of recording.
    private var parts: [(kept: Tensor<S>, fresh: Tensor<S>)] = []

    /// - Parameters:
    ///   - length: the maximal number of earlier rows.
    ///   - rows: the number of rows that a replay reads.
    ///   - anchors: the number of first rows that stay when others make room; fewer than `length`.
    ///   - graph: the graph that reads it.
    public init(length: Int, rows: Int, anchors: Int = 0, in graph: Graph<S>) {
        precondition(rows > 0 && anchors >= 0 && anchors < length, "\(rows) rows after \(length), of which \(anchors) stay")
        (self.length, self.rows, self.anchors) = (length, rows, anchors)
        mask = graph.input([1, length + rows])
        showRows()
    }

    /// The earlier rows followed by those of the replay. x (T, C); gives (M + T, C).
    func joined(_ fresh: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        precondition(fresh.rows == rows, "\(fresh.shape) continues a cache for \(rows) rows")
        let kept = graph.input([length, fresh.columns])
        parts.append((kept, fresh))
        return graph.concatenateRows([kept, fresh])
    }

    /// Keeps the first `rows` rows of the last replay. If there are too many, the oldest but the first `anchors` make room.
    public func append(_ rows: Int) {
        precondition((0...self.rows).contains(rows), "\(rows) of \(self.rows) rows")
        let anchored = min(anchors, count), most = length - anchored
        let kept = min(count - anchored, max(0, most - rows)), added = min(rows, most)
        for part in parts {
            let C = part.kept.columns, start = part.kept.values.baseAddress!, new = part.fresh.values.baseAddress!
            // Everything moves to the front, so the first rows go first.
            let first = length - anchored - kept - added
            (start + first * C).update(from: start + (length - count) * C, count: anchored * C)
            (start + (first + anchored) * C).update(from: start + (length - kept) * C, count: kept * C)
            (start + (length - added) * C).update(from: new + (rows - added) * C, count: added * C)
        }
        count = anchored + kept + added
        showRows()
    }

    /// Forgets all earlier rows.
    public func clear() {
        count = 0
        showRows()
    }

    private func showRows() {
        let hidden = length - count
        for i in 0..<mask.count { mask.values[i] = S(i < hidden ? 0 : 1) }
    }
}
