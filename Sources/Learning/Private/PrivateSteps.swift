import Model
import Privacy

/// What a learner with differential privacy keeps beside its model: the pool, the noise, and what was spent.
///
/// A step adds noise of deviation σ · C to the sum of the clipped gradients of the units that it has drawn, and divides by the number that
/// was expected. It is counted, and what counts it is on disk, before it is made.
final class PrivateSteps {
    let settings: PrivateLearningSettings
    private let persons: [PersonSources]
    private(set) var ledger: PrivacyLedger
    var pool: PrivatePool
    private var sum: ClippedSum
    private var random = SecretRandomness()
    private var noise: SecretNoise
    /// Whether a step was refused because it would have spent more than the budget: there are no further ones.
    private(set) var isSpent = false
    /// Why the newest step was not made though it was allowed: it could not be counted.
    private(set) var problem: String?
    /// Called with what a step will have spent, before it is made; an error prevents it.
    var willStep: (PrivacyLedger) throws -> Void = { _ in }
    /// Moments in their order: whether what each of them reveals in its only step has been counted since the process started. One that was
    /// killed may have made a step with moments that come again.
    private var isCounted = false

    /// - Parameters:
    ///   - settings: with `learning` enabled.
    ///   - graph: of one row, whose gradients are those that the optimiser takes.
    ///   - bytes: the maximal size of the moments in the pool.
    init(_ settings: PrivacySettings, _ graph: MultimodalGraph<Float>, bytes: Int) {
        self.settings = settings.learning
        persons = settings.persons
        ledger = PrivacyLedger(unit: settings.learning.unit)
        pool = PrivatePool(settings.learning, bytes: bytes)
        sum = ClippedSum(graph, clip: settings.learning.clip)
        noise = SecretNoise(deviation: settings.learning.noise * settings.learning.clip)
    }

    /// Adds a moment to the pool; nil: one from which nothing can be learned.
    func add(_ moment: MomentInput?, source: String) {
        pool.add(.init(unit: settings.unit(of: source, persons), source: source, moment: moment), using: &random)
    }

    /// Goes on counting from what was spent before.
    /// - Throws: `Optimizer.StateError` where that is about another unit.
    func goOn(from earlier: PrivacyLedger) throws(Optimizer.StateError) {
        guard earlier.unit == ledger.unit else {
            throw Optimizer.StateError(
                description: "what was spent is about each \(earlier.unit.rawValue), and says nothing about each \(ledger.unit.rawValue); "
                    + "set privacy.learning.unit to \(earlier.unit.rawValue), or begin anew in another directory")
        }
        if earlier.steps >= ledger.steps { ledger = earlier }
    }

    /// Writes the gradient of a step, if one is due and allowed.
    /// - Parameter put: sets a moment as the graph's only row.
    /// - Returns: whether there is one.
    func makeGradient(put: (MomentInput) -> Void) -> Bool {
        guard pool.isDue, !isSpent else { return false }
        let drawn = pool.draw(using: &random)
        guard count(samplingRate: drawn.samplingRate) else { return false }
        sum.clear()
        for unit in drawn.units { sum.add(unit, put: put) }
        sum.add { noise.add(to: &$0) }
        sum.write(dividedBy: drawn.expected)
        return true
    }

    /// Counts a step, unless the budget does not allow it.
    private func count(samplingRate: Double) -> Bool {
        // Each moment of a stream in its own order is in one step, so it is one release for each, however many steps there are.
        let isFree = settings.sampling == .order && settings.unit == .moment && isCounted
        var next = ledger
        // the settings have been validated, and a rate is within 0…1
        guard let mechanism = try? SampledGaussian(samplingRate: samplingRate, noise: settings.noise) else { return false }
        next.count(isFree ? nil : mechanism)
        guard next.epsilon(delta: settings.delta) <= settings.epsilon else {
            isSpent = true
            return false
        }
        do {
            try willStep(next)
        } catch {
            problem = "\(error)"
            return false
        }
        (ledger, isCounted, problem) = (next, true, nil)
        return true
    }
}

extension PrivateSteps {
    /// The state for a checkpoint, without the numbers of moments.
    struct State: Codable, Sendable {
        var ledger: PrivacyLedger
        var pool: PrivatePool.State
    }

    func state(numbers: inout [Float]) -> State { State(ledger: ledger, pool: pool.state(numbers: &numbers)) }

    func restore(_ state: State, _ numbers: [Float], for model: MultimodalConfiguration) throws(Optimizer.StateError) {
        try goOn(from: state.ledger)
        try pool.restore(state.pool, numbers, for: model)
    }
}
