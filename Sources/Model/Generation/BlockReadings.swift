import Tensors

/// What some blocks of a trunk read of a text: their normalised inputs, averaged over tokens, and those of the last token. They are
/// features of the text for a classifier.
///
///     let readings = BlockReadings(of: decoder, blocks: [12, 18])
///     decoder.read(tokens, stream: 0, observing: readings)
///     readings.mean(of: 12)
///
/// It has one owner: it is not `Sendable`.
public final class BlockReadings {
    /// The blocks, by their indices from 0.
    public let blocks: [Int]
    /// C, the width of a block's input.
    public let width: Int
    /// The number of tokens observed.
    public private(set) var count = 0
    private let sums: [Memory<Float>], lasts: [Memory<Float>]

    /// - Parameters:
    ///   - decoder: the decoder that will read.
    ///   - blocks: different indices of its blocks.
    public init(of decoder: TextDecoder, blocks: [Int]) {
        precondition(blocks.allSatisfy(decoder.plan.blocks.indices.contains), "blocks \(blocks) of \(decoder.plan.blocks.count)")
        precondition(Set(blocks).count == blocks.count, "blocks \(blocks) are not different")
        self.blocks = blocks
        width = decoder.plan.width
        (sums, lasts) = (blocks.map { _ in Memory(decoder.plan.width) }, blocks.map { _ in Memory(decoder.plan.width) })
    }

    /// Forgets what was observed.
    public func clear() {
        count = 0
        for memory in sums + lasts { memory.pointer.update(repeating: 0, count: width) }
    }

    /// The mean over all tokens observed, (C); zeros if there were none.
    /// - Parameter block: one of `blocks`.
    public func mean(of block: Int) -> [Float] { numbers(sums, block).map { $0 / Float(max(1, count)) } }

    /// The last token's, (C); zeros if there was none.
    /// - Parameter block: one of `blocks`.
    public func last(of block: Int) -> [Float] { numbers(lasts, block) }

    private func numbers(_ memories: [Memory<Float>], _ block: Int) -> [Float] {
        guard let place = blocks.firstIndex(of: block) else { preconditionFailure("block \(block) is not among \(blocks)") }
        return Array(UnsafeBufferPointer(start: memories[place].pointer, count: width))
    }

}

extension BlockReadings: PassObserver {
    var observesHead: Bool { false }

    func begin(rows: Int) { count += rows }

    /// Adds a share's columns of a block's input, if the block is among `blocks`.
    func observe(_ x: UnsafePointer<Float>, rows: Int, width: Int, at input: ProjectionInputPlace, _ share: Share) {
        guard rows > 0, case .attention(let block) = input, let place = blocks.firstIndex(of: block) else { return }
        let sum = sums[place].pointer, last = lasts[place].pointer, columns = share.of(width)
        for row in 0..<rows {
            for column in columns { sum[column] += x[row * width + column] }
        }
        for column in columns { last[column] = x[(rows - 1) * width + column] }
    }
}
