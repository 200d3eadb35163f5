import Messaging
import Model
import Moments
import Schema
import Statistics

/// Joins labels to the moments they cite, within a window, and recognises those that are too late.
///
/// A moment that requests a label waits for it until `patience` later moments have come. One that does not is learned at once and
/// remembered as long: when a label cites it nevertheless, it is learned again with the label.
struct LabelJoin: Sendable {
    struct Waiting: Sendable {
        var moment: Moment
        var input: MomentInput
        /// False where it has been learned without a label already.
        var isDue = true
    }

    enum Outcome {
        case joined(Waiting)
        /// Its moment was learned without it.
        case tooLate
        case orphan
    }

    private(set) var waiting: [Waiting] = []
    private(set) var patience: Int
    /// Ids of moments learned without their label, oldest first; at most `patience`.
    private var givenUp: [String] = []
    /// For each of the newest moments that requested a label, whether it got one.
    private var joins: [Bool] = []
    private static let window = 100

    init(patience: Int) {
        self.patience = patience
    }

    /// The share of the newest moments that requested a label whose label came in time; nil before any.
    var joinRate: Double? { joins.isEmpty ? nil : Double(joins.count { $0 }) / Double(joins.count) }
    var due: [Waiting] { waiting.filter(\.isDue) }

    /// Why a decoded state is invalid; nil where it is valid.
    func problem(for model: MultimodalConfiguration) -> String? {
        if !(0...100_000).contains(patience) { return "moments wait for their labels during \(patience) others" }
        if waiting.contains(where: { $0.moment.ordinal > UInt64(StateCoding.largest) || !model.accepts($0.input) }) {
            return "a moment that waits for its label does not fit the model"
        }
        return nil
    }

    mutating func wait(_ moment: Moment, _ input: MomentInput, isDue: Bool) {
        waiting.append(Waiting(moment: moment, input: input, isDue: isDue))
    }

    /// Removes the moments that have waited too long by `ordinal`, and returns those that requested a label, in order.
    mutating func overdue(at ordinal: UInt64) -> [Waiting] {
        var over: [Waiting] = []
        while let first = waiting.first, first.moment.ordinal.clampedAdding(UInt64(max(0, patience))) < ordinal {
            waiting.removeFirst()
            guard first.isDue else { continue }
            over.append(first)
            giveUp(first)
        }
        return over
    }

    /// Removes the moments of a session: a label that cites one finds none.
    mutating func forget(session: String) { waiting.removeAll { $0.moment.session == session } }

    /// Removes and returns all moments that still wait to be learned, at the end of the stream.
    mutating func end() -> [Waiting] {
        defer { waiting.removeAll() }
        return due
    }

    /// The moment that feedback cites, which goes on waiting.
    func find(_ feedback: Feedback) -> Waiting? { waiting.first { feedback.cites($0.moment) } }

    mutating func join(_ feedback: Feedback) -> Outcome {
        guard let index = waiting.firstIndex(where: { feedback.cites($0.moment) }) else {
            return givenUp.contains { feedback.cites(id: $0) } ? .tooLate : .orphan
        }
        let found = waiting.remove(at: index)
        if found.isDue { note(true) }
        return .joined(found)
    }

    private mutating func giveUp(_ one: Waiting) {
        note(false)
        givenUp.append(one.moment.id)
        if givenUp.count > max(1, patience) { givenUp.removeFirst() }
    }

    private mutating func note(_ isJoined: Bool) {
        joins.append(isJoined)
        if joins.count > Self.window { joins.removeFirst() }
    }
}

extension LabelJoin: Codable {
    private enum CodingKeys: CodingKey { case moments, inputs, due, givenUp, joins, patience }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        patience = try container.decode(Int.self, forKey: .patience)
        let moments = try container.decode([[UInt8]].self, forKey: .moments).map { try Moment(serializedBytes: $0) }
        let inputs = try container.decode([MomentInput].self, forKey: .inputs), due = try container.decode([Bool].self, forKey: .due)
        guard moments.count == inputs.count, moments.count == due.count else {
            throw DecodingError.dataCorruptedError(
                forKey: .inputs, in: container, debugDescription: "\(moments.count) moments, \(inputs.count) inputs")
        }
        waiting = moments.indices.map { Waiting(moment: moments[$0], input: inputs[$0], isDue: due[$0]) }
        givenUp = try container.decode([String].self, forKey: .givenUp)
        joins = try container.decode([Bool].self, forKey: .joins)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(waiting.map { try $0.moment.serializedBytes() as [UInt8] }, forKey: .moments)
        try container.encode(waiting.map(\.input), forKey: .inputs)
        try container.encode(waiting.map(\.isDue), forKey: .due)
        try container.encode(givenUp, forKey: .givenUp)
        try container.encode(joins, forKey: .joins)
        try container.encode(patience, forKey: .patience)
    }
}
