import Statistics
import Tensors

/// Maximally interfered retrieval (MIR): of the candidates drawn from the memory, those are replayed whose loss a step with only the new
/// rows would increase most.
///
///     interference = loss(w − rate · gradient) − loss(w)
///
/// Aljundi et al. 2019, https://arxiv.org/abs/1908.04742
public struct InterferenceReplay: Strategy {
    public static let name = "mir"

    /// The number of candidates for each replayed row; 0: rows are replayed as they are drawn.
    public var candidates = 3
    /// The learning rate of the virtual step by which interference is measured.
    public var candidateRate = 0.05

    public init() {}

    public func validate() throws(SettingsError) {
        try SettingsError.require((0...64).contains(candidates), "candidates", "\(candidates) is not in 0…64")
        try requireWeight(candidateRate, "candidate_rate")
    }

    public var replays: Bool { true }
    public var memory: StrategyMemory { candidates > 0 ? StrategyMemory(weights: 1, candidateReaders: 2) : StrategyMemory() }

    public func bind(to site: inout StrategySite) -> (any BoundStrategy)? {
        guard candidates > 0 else { return nil }
        return InterferenceSearch(
            now: site.reader(of: .candidates, by: site.parameters),
            after: site.reader(of: .candidates, by: ParameterStore(site.parameters.layout)), rate: candidateRate)
    }
}

/// Finds the candidates whose loss a step would increase most.
final class InterferenceSearch: BoundStrategy {
    private let now, after: any RowReader
    private let rate: Double

    /// - Parameters:
    ///   - now: evaluates with the learner's parameters.
    ///   - after: evaluates with its own parameters, which are overwritten in each search.
    ///   - rate: the learning rate of the virtual step.
    init(now: any RowReader, after: any RowReader, rate: Double) {
        self.now = now
        self.after = after
        self.rate = rate
    }

    /// The candidates with the largest increase first; equal ones in their order.
    func choose(_ count: Int, by gradients: ParameterStore<Float>) -> [Int] {
        after.parameters.assign(from: now.parameters)
        for parameter in gradients.layout.parameters {
            let (w, g) = (after.parameters[parameter.name], gradients[parameter.name])
            for place in w.indices { w[place] -= Float(rate) * g[place] }
        }
        let harm = zip(now.losses, after.losses).map { ($1 ?? 0) - ($0 ?? 0) }
        return Array(harm.indices.sorted { (harm[$0], $1) > (harm[$1], $0) }.prefix(count))
    }
}
