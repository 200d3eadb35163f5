import Model
import Statistics

/// Old moments that the serving model once predicted correctly, as a test set against forgetting. It is bounded, balanced over
/// classes, and moments are removed at a maximal age.
///
/// A moment is added if the serving version predicted it correctly. So labels that contradict the model are not added: a series of
/// wrong labels does not create anchors, and after a real change the old anchors expire.
struct AnchorSet: Sendable {
    struct Anchor: Sendable {
        let input: MomentInput
        /// The session that it is from.
        let source: String
        /// The moment's sequence number among labelled moments.
        let ordinal: Int
        /// The reference loss in nats: a slow mean of the losses of published versions, updated only by versions that are better than
        /// it in total. So many small deteriorations do not raise it.
        var reference: Double
    }

    let capacity: Int
    /// The maximal age, in labelled moments.
    let age: Int
    private(set) var anchors: [Anchor] = []
    private(set) var random: RandomSource
    /// The probability that a new moment is added when the set is full.
    private static let turnover = 0.25
    /// The share by which a reference moves towards the loss of a better version.
    private static let following = 0.1

    init(capacity: Int, age: Int, random: RandomSource) {
        (self.capacity, self.age, self.random) = (capacity, age, random)
    }

    var inputs: [MomentInput] { anchors.map(\.input) }
    var meanReference: Double { anchors.isEmpty ? 0 : anchors.reduce(0) { $0 + $1.reference } / Double(anchors.count) }

    /// Removes the anchors that are too old at a sequence number of labelled moments.
    mutating func expire(at ordinal: Int) { anchors.removeAll { ordinal - $0.ordinal > age } }

    /// Adds a moment; if the set is full, with some probability, in place of one of the largest class.
    mutating func admit(_ input: MomentInput, from source: String, loss: Double, at ordinal: Int) {
        guard loss.isFinite, capacity > 0 else { return }
        let newcomer = Anchor(input: input, source: source, ordinal: ordinal, reference: loss)
        guard anchors.count >= capacity else { return anchors.append(newcomer) }
        guard random.uniform() < Self.turnover else { return }
        var sizes: [Int?: Int] = [:]
        for anchor in anchors { sizes[anchor.input.label, default: 0] += 1 }
        let largest = sizes.values.max() ?? 0
        let victims = anchors.indices.filter { sizes[anchors[$0].input.label] == largest }
        anchors[victims[random.uniform(below: victims.count)]] = newcomer
    }

    mutating func forget(source: String) { anchors.removeAll { $0.source == source } }

    /// Updates the references by the losses of a published version. Those of a worse version are used only with `evenIfWorse`, when
    /// it has adapted to a change of the data; they then replace the references.
    mutating func updateReferences(_ losses: [Double], evenIfWorse: Bool) {
        guard evenIfWorse || losses.reduce(0, +) <= anchors.reduce(0, { $0 + $1.reference }) else { return }
        for (index, loss) in losses.enumerated() {
            anchors[index].reference += (evenIfWorse ? 1 : Self.following) * (loss - anchors[index].reference)
        }
    }
}

extension AnchorSet {
    /// A set for a checkpoint, without its features, which are stored in a tensor.
    struct Packed: Codable, Sendable {
        var moments: [PackedMoment]
        var sources: [String]
        var ordinals: [Int]
        var references: [Double]
        var random: RandomSource
    }

    func packed(to numbers: inout [Float]) -> Packed {
        Packed(
            moments: anchors.map { PackedMoment(RememberedMoment(moment: $0.input, logits: []), to: &numbers) },
            sources: anchors.map(\.source), ordinals: anchors.map(\.ordinal), references: anchors.map(\.reference), random: random)
    }

    /// Restores a set. Returns false, and changes nothing, if numbers are missing.
    mutating func unpack(_ packed: Packed, from numbers: [Float]) -> Bool {
        var rest = numbers[...]
        let inputs = packed.moments.compactMap { $0.unpacked(from: &rest)?.moment }
        guard inputs.count == packed.ordinals.count, inputs.count == packed.references.count,
            inputs.count == packed.sources.count
        else { return false }
        anchors = inputs.indices.map {
            Anchor(input: inputs[$0], source: packed.sources[$0], ordinal: packed.ordinals[$0], reference: packed.references[$0])
        }
        random = packed.random
        return true
    }
}
