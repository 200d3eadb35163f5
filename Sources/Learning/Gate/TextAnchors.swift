import Model
import Statistics

/// Texts by whose likelihood a candidate is judged: the newest corrections, and anchors, which are drawn evenly from all texts that came.
struct TextAnchors: Sendable {
    struct Anchor: Sendable {
        let input: MomentInput
        /// The session that it is from.
        let source: String
        /// The lowest mean loss of a published version, in nats per token.
        var reference: Double
    }

    /// The most corrections, and the most other texts: each costs a pass through the language trunk for each candidate.
    static let most = 4

    private(set) var anchors: [Anchor] = []
    private(set) var random: RandomSource
    /// The number of texts without a right answer that came.
    private(set) var seen = 0

    init(random: RandomSource) { self.random = random }

    var isEmpty: Bool { anchors.isEmpty }
    var inputs: [MomentInput] { anchors.map(\.input) }

    /// Adds a moment that is a correction, or with some probability another that has a text.
    /// - Parameter loss: the serving version's loss, asked for only if the moment is added.
    mutating func admit(_ input: MomentInput, from source: String, loss: () -> Double?) {
        let isCorrection = input.answer != nil
        guard isCorrection || !input.text.isEmpty else { return }
        let alike = anchors.indices.filter { (anchors[$0].input.answer != nil) == isCorrection }
        var victim = alike.count < Self.most ? nil : alike.first
        if !isCorrection {
            seen += 1
            if alike.count == Self.most {
                let place = random.uniform(below: seen)
                guard place < Self.most else { return }
                victim = alike[place]
            }
        }
        guard let reference = loss(), reference.isFinite else { return }
        if let victim { anchors.remove(at: victim) }
        anchors.append(Anchor(input: input, source: source, reference: reference))
    }

    mutating func forget(source: String) { anchors.removeAll { $0.source == source } }

    /// By how much a candidate is worse than published versions were, in nats per token: of corrections and of anchors, the greater.
    func harm(_ losses: [Double]) -> Double {
        [true, false].map { isCorrection in
            let group = anchors.indices.filter { (anchors[$0].input.answer != nil) == isCorrection }
            return group.isEmpty ? 0 : group.reduce(0) { $0 + losses[$1] - anchors[$1].reference } / Double(group.count)
        }.max() ?? 0
    }

    /// Lowers the references to the losses of a published version.
    mutating func publish(_ losses: [Double]) {
        for (index, loss) in losses.enumerated() { anchors[index].reference = min(anchors[index].reference, loss) }
    }
}

extension TextAnchors {
    /// The form in a checkpoint; the moments' numbers are in an array of their own.
    struct Packed: Codable, Sendable {
        var moments: [PackedMoment]
        var sources: [String]
        var references: [Double]
        var random: RandomSource
        var seen: Int
    }

    func packed(to numbers: inout [Float]) -> Packed {
        Packed(
            moments: anchors.map { PackedMoment(RememberedMoment(moment: $0.input, logits: []), to: &numbers) },
            sources: anchors.map(\.source), references: anchors.map(\.reference), random: random, seen: seen)
    }

    /// Restores the texts. Returns false, and changes nothing, if the state is incomplete or implausible.
    mutating func unpack(_ packed: Packed, from numbers: [Float]) -> Bool {
        var rest = numbers[...]
        let inputs = packed.moments.compactMap { $0.unpacked(from: &rest)?.moment }
        guard inputs.count == packed.moments.count, inputs.count == packed.sources.count, inputs.count == packed.references.count,
            inputs.count <= 2 * Self.most, packed.references.allSatisfy(\.isFinite), (0...(1 << 53)).contains(packed.seen)
        else { return false }
        anchors = inputs.indices.map { Anchor(input: inputs[$0], source: packed.sources[$0], reference: packed.references[$0]) }
        (random, seen) = (packed.random, packed.seen)
        return true
    }
}
