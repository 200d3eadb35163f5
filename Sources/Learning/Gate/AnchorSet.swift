import Model
import Statistics

/// Old moments that a model once got right: what it must not lose. Bounded, as many of each class as may be, and none older than an age.
///
/// A moment is let in when the version on duty answered it rightly. So labels that contradict all that is known stay out: a stretch of wrong labels does
/// not make anchors of its own, and a world that has really changed outlives its anchors.
struct AnchorSet: Sendable {
    struct Anchor: Sendable {
        let input: MomentInput
        /// How manieth labelled moment it was.
        let ordinal: Int
        /// The slow mean of what published versions lost on it, in nats, as far as they were better than that: many small harms never make a new measure.
        var reference: Double
    }

    let capacity: Int
    /// In labelled moments.
    let age: Int
    private(set) var anchors: [Anchor] = []
    private(set) var random: RandomSource
    /// When the set is full, a share of newcomers comes in.
    private static let turnover = 0.25
    /// The share by which a reference follows a better version.
    private static let following = 0.1

    init(capacity: Int, age: Int, random: RandomSource) {
        (self.capacity, self.age, self.random) = (capacity, age, random)
    }

    var inputs: [MomentInput] { anchors.map(\.input) }
    var meanReference: Double { anchors.isEmpty ? 0 : anchors.reduce(0) { $0 + $1.reference } / Double(anchors.count) }

    /// Lets go of those that are too old when so many labelled moments have passed.
    mutating func expire(at ordinal: Int) { anchors.removeAll { ordinal - $0.ordinal > age } }

    mutating func admit(_ input: MomentInput, loss: Double, at ordinal: Int) {
        guard loss.isFinite, capacity > 0 else { return }
        let newcomer = Anchor(input: input, ordinal: ordinal, reference: loss)
        guard anchors.count >= capacity else { return anchors.append(newcomer) }
        guard random.uniform() < Self.turnover else { return }
        var sizes: [Int?: Int] = [:]
        for anchor in anchors { sizes[anchor.input.label, default: 0] += 1 }
        let largest = sizes.values.max() ?? 0
        let victims = anchors.indices.filter { sizes[anchors[$0].input.label] == largest }
        anchors[victims[random.uniform(below: victims.count)]] = newcomer
    }

    /// A version has been published that lost so much on each. One that is worse is followed, and at once, only where that is the price of a new world.
    mutating func follow(_ losses: [Double], evenIfWorse: Bool) {
        guard evenIfWorse || losses.reduce(0, +) <= anchors.reduce(0, { $0 + $1.reference }) else { return }
        for (index, loss) in losses.enumerated() {
            anchors[index].reference += (evenIfWorse ? 1 : Self.following) * (loss - anchors[index].reference)
        }
    }
}

extension AnchorSet {
    /// A set without its numbers, which stand in a tensor.
    struct Packed: Codable, Sendable {
        var moments: [PackedMoment]
        var ordinals: [Int]
        var references: [Double]
        var random: RandomSource
    }

    func packed(to numbers: inout [Float]) -> Packed {
        Packed(
            moments: anchors.map { PackedMoment(RememberedMoment(moment: $0.input, logits: []), to: &numbers) },
            ordinals: anchors.map(\.ordinal),
            references: anchors.map(\.reference), random: random)
    }

    /// False where numbers are missing; nothing is changed then.
    mutating func unpack(_ packed: Packed, from numbers: [Float]) -> Bool {
        var rest = numbers[...]
        let inputs = packed.moments.compactMap { $0.unpacked(from: &rest)?.moment }
        guard inputs.count == packed.ordinals.count, inputs.count == packed.references.count else { return false }
        anchors = inputs.indices.map { Anchor(input: inputs[$0], ordinal: packed.ordinals[$0], reference: packed.references[$0]) }
        random = packed.random
        return true
    }
}
