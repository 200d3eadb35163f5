import Model
import Privacy

/// The moments that private steps are made of.
///
/// Which moments are in it, and when a step is due, follow from how many were offered, of which units, and from random numbers, never from
/// what a moment holds: a moment from which nothing can be learned, or that is too large, has a place like any other.
struct PrivatePool {
    struct Place: Sendable {
        /// Nil where the moment is a unit by itself.
        var unit: String?
        /// Its sender, so that all its moments can be forgotten.
        var source: String
        /// Nil where there is nothing to learn from.
        var moment: MomentInput?
    }

    /// What a step is made of.
    struct Draw {
        /// The moments of each unit that is in the step; a unit may have none.
        var units: [[MomentInput]]
        /// q, the probability with which a unit was drawn.
        var samplingRate: Double
        /// The expected number of units, which does not depend on what was drawn.
        var expected: Double
    }

    private(set) var places: [Place] = []
    /// The moments offered so far, and since the last step.
    private(set) var offered = 0, since = 0
    /// The number of places of each unit that is none by itself.
    private var members: [String: Int] = [:]
    private let settings: PrivateLearningSettings
    private let momentBytes: Int

    /// - Parameter bytes: the maximal size of all moments; each may have its share of the pool.
    init(_ settings: PrivateLearningSettings, bytes: Int) {
        self.settings = settings
        momentBytes = bytes / settings.pool
    }

    /// The number of units in the pool.
    var units: Int { settings.unit == .moment ? places.count : members.count }

    /// The size of the moments, in bytes.
    var bytes: Int { places.reduce(0) { $0 + ($1.moment?.bytes ?? 0) } }

    /// Whether it is time for a step.
    var isDue: Bool {
        switch settings.sampling {
        case .poisson: units >= settings.start && since >= settings.every
        case .order: places.count >= settings.batch
        }
    }

    /// Adds a moment. In a full pool it takes the place of another, so that all that were offered are in it with the same probability
    /// (Vitter's algorithm R), or, in their order, the oldest gives way.
    mutating func add(_ place: Place, using random: inout some RandomNumberGenerator) {
        var place = place
        if let moment = place.moment, moment.bytes > momentBytes { place.moment = nil }
        offered += 1
        since += 1
        if places.count < settings.pool {
            places.append(place)
        } else if settings.sampling == .order {
            leave(places.removeFirst())
            places.append(place)
        } else {
            let index = Int.random(in: 0..<offered, using: &random)
            guard index < places.count else { return }
            leave(places[index])
            places[index] = place
        }
        if let unit = place.unit { members[unit, default: 0] += 1 }
    }

    private mutating func leave(_ place: Place) {
        guard let unit = place.unit, let count = members[unit] else { return }
        members[unit] = count > 1 ? count - 1 : nil
    }

    /// Draws the units of a step that is due: each with the same probability, independently, or the oldest moments, which leave.
    mutating func draw(using random: inout SecretRandomness) -> Draw {
        since = 0
        switch settings.sampling {
        case .poisson:
            let count = units, rate = min(1, Double(settings.batch) / Double(max(1, count)))
            let drawn = groups(places).filter { _ in random.happens(with: rate) }
            return Draw(units: drawn.map { chosen($0, using: &random) }, samplingRate: rate, expected: max(1, rate * Double(count)))
        case .order:
            let oldest = Array(places.prefix(settings.batch)), drawn = groups(oldest)
            places.removeFirst(oldest.count)
            oldest.forEach { leave($0) }
            return Draw(units: drawn.map { chosen($0, using: &random) }, samplingRate: 1, expected: Double(max(1, drawn.count)))
        }
    }

    /// Places by unit.
    private func groups(_ places: [Place]) -> [[Place]] {
        if settings.unit == .moment { return places.map { [$0] } }
        return Array(Dictionary(grouping: places) { $0.unit ?? "" }.values)
    }

    /// At most as many moments of a unit as may be in one step.
    private func chosen(_ places: [Place], using random: inout SecretRandomness) -> [MomentInput] {
        guard places.count > settings.unitMoments else { return places.compactMap(\.moment) }
        return places.shuffled(using: &random).prefix(settings.unitMoments).compactMap(\.moment)
    }

    /// Forgets the moments of a source; their places remain.
    /// - Returns: how many there were.
    mutating func forget(source: String) -> Int {
        var count = 0
        for index in places.indices where places[index].source == source && places[index].moment != nil {
            places[index].moment = nil
            count += 1
        }
        return count
    }
}

extension PrivatePool {
    /// The pool for a checkpoint, without the numbers of moments.
    struct State: Codable, Sendable {
        struct Place: Codable, Sendable {
            var unit: String?
            var source: String
            var moment: PackedMoment?
        }

        var places: [Place]
        var offered, since: Int
    }

    /// The state; appends the moments' numbers to `numbers`.
    func state(numbers: inout [Float]) -> State {
        State(
            places: places.map { place in
                .init(
                    unit: place.unit, source: place.source,
                    moment: place.moment.map { PackedMoment(RememberedMoment(moment: $0, logits: []), to: &numbers) })
            }, offered: offered, since: since)
    }

    /// Restores a state; of more moments than fit, the newest.
    /// - Throws: `Optimizer.StateError` where it is damaged, or a moment does not fit the model; nothing is changed then.
    mutating func restore(
        _ state: State, _ numbers: [Float], for model: MultimodalConfiguration
    ) throws(Optimizer.StateError) {
        guard state.offered >= state.places.count, state.since >= 0 else {
            throw Optimizer.StateError(description: "the pool of private steps has counts that cannot be")
        }
        var rest = numbers[...], restored: [Place] = []
        for place in state.places {
            var moment: MomentInput?
            if let packed = place.moment {
                moment = packed.unpacked(from: &rest)?.moment
                guard let moment else {
                    throw Optimizer.StateError(description: "the pool of private steps has too few numbers for its moments")
                }
                do { try model.check(moment) } catch {
                    throw Optimizer.StateError(description: "a moment of the pool of private steps: \(error)")
                }
            }
            restored.append(Place(unit: settings.unit == .moment ? nil : place.unit ?? "", source: place.source, moment: moment))
        }
        (places, offered, since) = (Array(restored.suffix(settings.pool)), state.offered, state.since)
        members = Dictionary(grouping: places.compactMap(\.unit)) { $0 }.mapValues(\.count)
    }
}
