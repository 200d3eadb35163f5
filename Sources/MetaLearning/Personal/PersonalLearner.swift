import Learning
import Model
import Statistics
import Tensors

/// Meta-learning with sessions as tasks: learns the initial parameters of sessions, and adapts them to each session, by MAML or Reptile.
///
/// Personal parameters are kept as offsets from the shared model, which continues to learn:
///
///     θ₀ = shared + δ,  δ learned over sessions;  a session's own offsets are θₖ − shared
///
/// Equal sessions in equal order give equal numbers, bit for bit. A learner must be used by one thread at a time.
public final class PersonalLearner {
    /// The offsets of a session from the shared model, in the order of `layout`.
    public typealias Offsets = [Float]

    /// The result of adapting to a session.
    public struct Adaptation: Sendable {
        public var offsets: Offsets
        /// The number of steps taken.
        public var steps: Int
        /// The support's loss before the first step.
        public var loss: Float
    }

    public let configuration: PersonalConfiguration
    /// δ: the initial offsets of sessions.
    public let start: ParameterStore<Float>
    /// α of every number; 0 for those that are not adapted.
    public let rates: ParameterStore<Float>
    /// The number of meta-steps taken.
    public private(set) var episodes = 0
    private let meta: ParameterStore<Float>
    private let metaGradient: MetaGradient<MomentsLoss<Float>>
    private let gradient: ParameterStore<Float>, rateGradient: ParameterStore<Float>
    private var optimizer: Optimizer, rateOptimizer: Optimizer

    public init(_ model: MultimodalModel, _ configuration: PersonalConfiguration) throws(SettingsError) {
        try configuration.validate()
        self.configuration = configuration
        let all = model.layout, task = ParameterStore<Float>(all)
        let isPersonal = configuration.isPersonal
        func loss<S>(_ parameters: ParameterStore<S>, _ capacity: Int) -> MomentsLoss<S> {
            MomentsLoss(model, parameters: parameters, capacity: capacity, learning: isPersonal)
        }
        let second = configuration.method == "maml" ? loss(ParameterStore<Dual<Float>>(all), configuration.support) : nil
        metaGradient = MetaGradient(
            support: loss(task, configuration.support), query: loss(task, configuration.query), second: second)
        let layout = metaGradient.layout
        try SettingsError.require(layout.count > 0, "parameters", "no parameter of the model has a matching name")
        try SettingsError.require(
            layout.parameters.contains(where: configuration.isAdapted), "adapted", "none of these parameters has a matching name")
        try SettingsError.require(
            layout.count <= configuration.maximumNumbers, "parameters",
            "\(layout.count) numbers for each session are more than \(configuration.maximumNumbers)")
        meta = ParameterStore(all)
        start = ParameterStore(layout)
        rates = ParameterStore(layout)
        gradient = ParameterStore(layout)
        rateGradient = ParameterStore(layout)
        optimizer = Optimizer(
            try updateRule("adam", settings: ["learning_rate": .number(configuration.outerRate), "clip_norm": 5]), parameters: start,
            gradients: gradient)
        rateOptimizer = Optimizer(
            try updateRule("adam", settings: ["learning_rate": .number(configuration.rateShare * configuration.innerRate)]),
            parameters: rates, gradients: rateGradient)
        fillRates()
    }

    private func fillRates() {
        for parameter in layout.parameters where configuration.isAdapted(parameter) { rates[parameter.name].fill(configuration.innerRate) }
    }

    /// Restores the state before the first episode, to the bit.
    public func reset() {
        start.values.fill(0)
        rates.values.fill(0)
        fillRates()
        optimizer = Optimizer(optimizer.rule, parameters: start, gradients: gradient)
        rateOptimizer = Optimizer(rateOptimizer.rule, parameters: rates, gradients: rateGradient)
        episodes = 0
    }

    /// The layout of offsets.
    public var layout: ParameterLayout { start.layout }

    /// Adapts to moments of a session.
    /// - Parameters:
    ///   - support: the moments.
    ///   - shared: the parameters of the shared model, which are not changed.
    ///   - steps: the maximum number of steps; nil for that of the configuration.
    ///   - goesOn: called after each step; adapting ends when it returns false.
    public func adapt(
        _ support: [MomentInput], from shared: ParameterStore<Float>, steps: Int? = nil, goesOn: () -> Bool = { true }
    ) -> Adaptation {
        begin(from: shared)
        let losses = metaGradient.adapt(support, from: meta, rates: rates, steps: steps ?? configuration.steps, goesOn: goesOn)
        return Adaptation(offsets: offsets(from: shared), steps: losses.count, loss: losses.first ?? 0)
    }

    /// Takes one meta-step with an episode of a session; if its loss is not finite, no step is taken.
    /// - Returns: the query's loss after adapting.
    @discardableResult
    public func learn(_ episode: Episode<[MomentInput]>, from shared: ParameterStore<Float>) -> Float {
        begin(from: shared)
        gradient.values.fill(0)
        rateGradient.values.fill(0)
        let loss: Float
        if configuration.method == "reptile" {
            metaGradient.adapt(episode.support, from: meta, rates: rates, steps: configuration.steps)
            metaGradient.query.put(episode.query)
            loss = metaGradient.query.differentiate()
            for (place, offset) in offsets(from: shared).enumerated() { gradient.values[place] = start.values[place] - offset }
        } else {
            loss =
                metaGradient.add(
                    episode, from: meta, rates: rates, steps: configuration.steps, to: gradient,
                    rateGradient: configuration.rateShare > 0 ? rateGradient : nil
                ).queryLoss
        }
        guard loss.isFinite else { return loss }
        optimizer.step()
        if configuration.rateShare > 0, configuration.method != "reptile" {
            for parameter in layout.parameters where !configuration.isAdapted(parameter) { rateGradient[parameter.name].fill(0) }
            rateOptimizer.step()
            for place in rates.values.indices { rates.values[place] = max(0, rates.values[place]) }
        }
        episodes += 1
        return loss
    }

    /// Evaluates the parameters of the last adaptation: mean loss in nats and accuracy in 0…1.
    public func evaluate(_ query: [MomentInput]) -> (loss: Double, accuracy: Double) { metaGradient.query.evaluate(query) }

    /// The loss of a moment with the shared model minus that with offsets, in nats.
    public func gain(of offsets: Offsets, over shared: ParameterStore<Float>, on moment: MomentInput) -> Double {
        let task = metaGradient.task
        task.assign(from: shared)
        let plain = evaluate([moment]).loss
        each { task.values[$0] += offsets[$1] }
        return plain - evaluate([moment]).loss
    }

    /// Sets `meta` to θ₀ = shared + δ.
    private func begin(from shared: ParameterStore<Float>) {
        meta.assign(from: shared)
        each { meta.values[$0] += start.values[$1] }
    }

    /// θₖ − shared
    private func offsets(from shared: ParameterStore<Float>) -> Offsets {
        var offsets = Offsets(repeating: 0, count: layout.count)
        each { offsets[$1] = metaGradient.task.values[$0] - shared.values[$0] }
        return offsets
    }

    private func each(_ body: (_ all: Int, _ personal: Int) -> Void) {
        for (parameter, range) in zip(layout.parameters, layout.ranges) {
            guard let place = meta.layout.range(of: parameter.name) else { continue }
            for offset in 0..<range.count { body(place.lowerBound + offset, range.lowerBound + offset) }
        }
    }
}
