import Foundation
import Tensors

/// Incremental inference of any trunk for several token streams: it caches their keys and values, so that one more token costs one
/// row of every block. It computes the same as the recorded graph.
///
///     let decoder = TextDecoder(TrunkModel(path: path, storage: .stored), team: team)
///     decoder.read(prompt.dropLast(), stream: 0)
///     decoder.advance([prompt.last])
///     let logits = decoder.logits(of: 0)
///
/// A decoder has one owner: it is not `Sendable`.
public final class TextDecoder {
    /// The kinds and sizes of the model's parts.
    public let plan: DecodingPlan
    /// The number of streams.
    public let streams: Int
    /// The number format of the weights that are not frozen.
    public let precision: DecodingPrecision
    /// The maximal number of prefix embeddings before a stream's tokens.
    public let prefixLimit: Int
    /// The maximal number of tokens of a stream: the model's positions, or fewer.
    public let positions: Int
    /// The tokens that each stream has read.
    public private(set) var tokens: [[Int]]

    let team: Team
    private(set) var weights: DecoderWeights
    private let inOrder: Bool
    /// The number of prefix embeddings of each stream.
    private var prefixLengths: [Int]
    private let prefix: Memory<Float>
    private var logitsRow: [Int?]

    /// The keys and values of each stream.
    let caches: [KeyValueCache]
    /// The rows of the current pass, by stream.
    private(set) var rows: [Row] = []
    /// Consecutive rows of one stream.
    private(set) var runs: [Run] = []
    /// Rows whose logits are computed, in the order of the logits.
    private(set) var asked: [Int] = []
    /// What observes the current pass.
    private(set) var observer: (any PassObserver)?

    /// A token, or an embedding of the prefix, of one stream.
    struct Row {
        let stream: Int
        /// The cache slot of its key and value, and the slots of the keys that it attends to.
        let slot: Int
        let seen: Range<Int>
        let input: Input
    }

    enum Input {
        case token(Int, place: Int)
        case embedding(UnsafePointer<Float>)
    }

    struct Run {
        let stream: Int
        var rows: Range<Int>
    }

    /// Activations of a pass; they grow with the number of rows.
    private(set) var activations: Activations
    /// One thread's memory each.
    let scratch: [ProjectionScratch]
    /// (streams, C), (streams, V)
    let last, allLogits: Memory<Float>
    /// (slots, D/2): cosines and sines of the positions' angles; empty if positions are learned.
    private(set) var cosines = Memory<Float>(0), sines = Memory<Float>(0)

    /// The maximal number of rows in one pass.
    public static let passLimit = 512

    /// - Parameters:
    ///   - trunk: the model.
    ///   - parameters: its parameters and frozen matrices, which must not change while the decoder uses them.
    ///   - streams: the number of streams.
    ///   - prefixLimit: the maximal number of prefix embeddings of a stream.
    ///   - contextLimit: the maximal number of tokens of a stream; nil for the model's positions. Memory for keys and values grows with
    ///     use up to it.
    ///   - precision: the number format of the weights that are not frozen.
    ///   - inOrder: with single precision, stores a copy of the blocks' weights in the order in which a token reads them, made for every
    ///     version of the parameters: faster if many tokens follow.
    ///   - team: the threads that compute.
    public convenience init(
        _ trunk: any Trunk, _ parameters: ParameterStore<Float>, streams: Int = 1, prefixLimit: Int = 0, contextLimit: Int? = nil,
        precision: DecodingPrecision = .float32, inOrder: Bool = false, team: Team = .solo
    ) {
        self.init(
            plan: trunk.decoding, parameters, streams: streams, prefixLimit: prefixLimit, contextLimit: contextLimit, precision: precision,
            inOrder: inOrder, team: team)
    }

    init(
        plan: DecodingPlan, _ parameters: ParameterStore<Float>, streams: Int, prefixLimit: Int, contextLimit: Int?,
        precision: DecodingPrecision, inOrder: Bool, team: Team
    ) {
        precondition(streams >= 1 && prefixLimit >= 0, "\(streams) streams, a prefix of at most \(prefixLimit)")
        precondition(prefixLimit == 0 || plan.window == nil, "a model with a sliding window cannot have a prefix")
        self.plan = plan
        self.streams = streams
        self.prefixLimit = prefixLimit
        positions = min(plan.positionLimit, max(1, contextLimit ?? plan.positionLimit))
        self.precision = precision
        self.inOrder = inOrder
        self.team = team
        weights = DecoderWeights(plan, parameters, precision, inOrder: inOrder)
        tokens = Array(repeating: [], count: streams)
        prefixLengths = Array(repeating: 0, count: streams)
        logitsRow = Array(repeating: nil, count: streams)
        let slots = prefixLimit + positions
        caches = (0..<streams).map { _ in
            KeyValueCache(layers: plan.blocks.count, groups: plan.groups, headWidth: plan.headWidth, limit: slots)
        }
        activations = Activations(plan, team, rows: streams)
        scratch = (0..<team.count).map { _ in ProjectionScratch(width: plan.widestInput) }
        last = Memory(streams * plan.width)
        allLogits = Memory(streams * plan.vocabularySize)
        prefix = Memory(prefixLimit * plan.width)
    }

    /// A decoder of a trunk with its weights.
    public convenience init(
        _ model: TrunkModel, streams: Int = 1, contextLimit: Int? = nil, precision: DecodingPrecision = .stored, inOrder: Bool = false,
        team: Team = .solo
    ) {
        self.init(
            model.trunk, model.parameters, streams: streams, contextLimit: contextLimit, precision: precision,
            inOrder: inOrder, team: team)
    }

    /// The number of tokens that each stream has read.
    public var lengths: [Int] { tokens.map(\.count) }

    /// Uses other parameters of the same model; all streams are reset.
    public func adopt(_ parameters: ParameterStore<Float>) {
        weights = DecoderWeights(plan, parameters, precision, inOrder: inOrder)
        for stream in 0..<streams { forget(stream) }
    }

    /// Resets a stream: discards its tokens and prefix.
    public func forget(_ stream: Int) {
        tokens[stream] = []
        prefixLengths[stream] = 0
        logitsRow[stream] = nil
    }

    /// Discards a stream's tokens after the first `count`; its prefix remains.
    public func forget(_ stream: Int, after count: Int) {
        guard count < tokens[stream].count else { return }
        tokens[stream].removeLast(tokens[stream].count - count)
        logitsRow[stream] = nil
    }

    /// Reads prefix embeddings (count, C) into a stream that has read nothing yet; they all attend to each other.
    public func read(prefix embeddings: [Float], stream: Int) {
        let C = plan.width, count = embeddings.count / C
        precondition(
            count <= prefixLimit && embeddings.count == count * C, "\(embeddings.count) numbers for \(prefixLimit) embeddings of \(C)")
        precondition(tokens[stream].isEmpty && prefixLengths[stream] == 0, "stream \(stream) has begun")
        guard count > 0 else { return }
        for (place, number) in embeddings.enumerated() { prefix[place] = number }
        prefixLengths[stream] = count
        let base = UnsafePointer(prefix.pointer)
        rows = (0..<count).map { Row(stream: stream, slot: $0, seen: 0..<count, input: .embedding(base + $0 * C)) }
        runPass(asking: [])
    }

    /// Reads tokens into one stream without computing logits.
    /// - Parameters:
    ///   - tokens: what the stream reads next.
    ///   - stream: an index below `streams`.
    ///   - readings: observes what blocks read of these tokens.
    public func read(_ tokens: some Collection<Int>, stream: Int, observing readings: BlockReadings? = nil) {
        read(tokens, stream: stream, observer: readings)
    }

    /// Reads tokens into one stream without computing logits, and shows an observer what projections read of them.
    func read(_ tokens: some Collection<Int>, stream: Int, observer: (any PassObserver)?) {
        self.observer = observer
        defer { self.observer = nil }
        var rest = tokens[...]
        while !rest.isEmpty {
            observer?.begin(rows: min(rest.count, Self.passLimit))
            rows = rest.prefix(Self.passLimit).map { next($0, stream) }
            runPass(asking: [])
            rest = rest.dropFirst(Self.passLimit)
        }
    }

    /// Makes a stream hold exactly these tokens: keeps those at its beginning that are the same, and reads the rest.
    /// - Returns: the number of tokens that were kept.
    @discardableResult
    public func continueStream(_ stream: Int, with tokens: [Int]) -> Int {
        let kept = zip(self.tokens[stream], tokens).prefix { $0 == $1 }.count
        forget(stream, after: kept)
        read(tokens[kept...], stream: stream)
        return kept
    }

    /// Reads one token into every stream that has one, and computes the logits of the next token there.
    ///
    /// - Parameter tokens: one for each stream; nil for a stream that does not advance.
    public func advance(_ tokens: [Int?]) {
        precondition(tokens.count == streams, "\(tokens.count) tokens for \(streams) streams")
        rows = []
        for (stream, token) in tokens.enumerated() {
            logitsRow[stream] = token == nil ? nil : rows.count
            if let token { rows.append(next(token, stream)) }
        }
        if !rows.isEmpty { runPass(asking: Array(rows.indices)) }
    }

    /// The logits (V) of a stream that the last `advance` has advanced; the caller may change them.
    public func logits(of stream: Int) -> UnsafeMutableBufferPointer<Float> {
        guard let row = logitsRow[stream] else { preconditionFailure("stream \(stream) has not advanced") }
        return UnsafeMutableBufferPointer(start: allLogits.pointer + row * plan.vocabularySize, count: plan.vocabularySize)
    }

    /// The trunk's output (C) for the last token of a stream that the last `advance` has advanced.
    public func hidden(of stream: Int) -> [Float] {
        guard let row = logitsRow[stream] else { preconditionFailure("stream \(stream) has not advanced") }
        return Array(UnsafeBufferPointer(start: last.pointer + row * plan.width, count: plan.width))
    }

    private func next(_ token: Int, _ stream: Int) -> Row {
        let place = tokens[stream].count, slot = prefixLengths[stream] + place
        precondition((0..<plan.vocabularySize).contains(token), "token \(token) of \(plan.vocabularySize)")
        precondition(place < positions, "stream \(stream) has filled its \(positions) positions")
        tokens[stream].append(token)
        let first = plan.window.map { max(0, slot + 1 - $0) } ?? 0
        return Row(stream: stream, slot: slot, seen: first..<slot + 1, input: .token(token, place: place))
    }

    // MARK: A pass

    private func runPass(asking asked: [Int]) {
        self.asked = asked
        runs = []
        for (index, row) in rows.enumerated() {
            if let last = runs.last, last.stream == row.stream {
                runs[runs.count - 1].rows = last.rows.lowerBound..<index + 1
            } else {
                runs.append(Run(stream: row.stream, rows: index..<index + 1))
            }
            caches[row.stream].reserve(row.slot + 1)
        }
        let slots = caches.reduce(0) { max($0, $1.capacity) }
        activations.reserve(rows: rows.count, slots: slots)
        extendAngles(to: slots)
        team.run(self)
    }

    private func extendAngles(to slots: Int) {
        guard case .rotary(let frequencies) = plan.positions, cosines.count < slots * frequencies.count else { return }
        cosines = Memory(slots * frequencies.count)
        sines = Memory(slots * frequencies.count)
        for slot in 0..<slots {
            for (i, frequency) in frequencies.enumerated() {
                let angle = Double(slot) * frequency
                cosines[slot * frequencies.count + i] = Float(cos(angle))
                sines[slot * frequencies.count + i] = Float(sin(angle))
            }
        }
    }
}

/// The memory of a pass.
struct Activations {
    private let plan: DecodingPlan
    private let team: Team
    private(set) var rows = 0, slots = 0
    /// The rows as input of projections, in blocks; only for more than `Projection.fewRows`.
    private(set) var blocks: BlockVectors?
    /// (rows, C), (rows, C), or (shares, few rows, C), (rows, (H + 2G) · D), (rows, H · D), (rows, hidden) twice
    private(set) var x, normed, projected, attended, inner, gated: Memory<Float>
    /// (shares, queries, slots)
    private(set) var scores = Memory<Float>(0)

    /// The maximal number of rows whose attention is computed together.
    static let queries = 32

    init(_ plan: DecodingPlan, _ team: Team, rows: Int) {
        self.plan = plan
        self.team = team
        let none = Memory<Float>(0)
        (x, normed, projected, attended, inner, gated) = (none, none, none, none, none, none)
        reserve(rows: rows, slots: 0)
    }

    mutating func reserve(rows: Int, slots: Int) {
        if rows > self.rows {
            self.rows = rows
            x = Memory(rows * plan.width)
            normed = Memory(max(rows, team.count * Projection.fewRows) * plan.width)
            projected = Memory(rows * (plan.heads + 2 * plan.groups) * plan.headWidth)
            attended = Memory(rows * plan.heads * plan.headWidth)
            inner = Memory(rows * plan.hidden)
            if rows > Projection.fewRows { blocks = BlockVectors(limit: rows, width: plan.widestInput) }
            if plan.blocks.contains(where: { $0.gate != nil }) { gated = Memory(rows * plan.hidden) }
        }
        if slots > self.slots {
            self.slots = slots
            scores = Memory(team.count * Self.queries * slots)
        }
    }
}
