import Foundation
import Statistics
import StrictJSON
import Tensors

/// Learns to classify feature vectors from a stream, in small batches, with strategies and an optimiser chosen by name.
///
/// `learn` predicts every row before it learns from it. The same seed and stream give the same numbers, to the bit.
/// A learner has one owner: it is not `Sendable`.
public final class ClassifierLearner {
    /// How a classifier learns.
    public struct Configuration: Settings {
        /// Names in `strategies`, separated by commas: how old knowledge is retained.
        public var strategy = "er"
        /// Settings that replace the strategies' defaults.
        public var strategySettings: JSON = .object([:])
        /// A name in `optimizers`.
        public var optimizer = "adam"
        /// Settings that replace the optimiser's defaults.
        public var optimizerSettings: JSON = .object([:])
        /// A name in `replayPolicies`.
        public var replay = "reservoir"
        /// The maximal number of remembered rows, if a strategy replays any.
        public var memory = 500
        /// The maximal number of rows in a call of `learn`.
        public var batch = 10
        /// The number of remembered rows in each step.
        public var replayed = 10
        /// Steps for each batch, each with newly drawn remembered rows.
        public var steps = 1

        public init() {}

        public func validate() throws(SettingsError) {
            for (key, value, least) in [("batch", batch, 1), ("replayed", replayed, 0), ("memory", memory, 0), ("steps", steps, 1)] {
                try SettingsError.require((least...1_000_000).contains(value), key, "\(value) is not in \(least)…1000000")
            }
        }
    }

    /// A labelled feature vector.
    public struct Sample: Codable, Sendable, Equatable {
        /// One number for each feature.
        public var features: [Float]
        /// The class, from 0.
        public var label: Int

        public init(features: [Float], label: Int) {
            self.features = features
            self.label = label
        }
    }

    /// A sample, and its logits when it was new, if a strategy needs them.
    struct Memory: Codable, Sendable {
        var sample: Sample
        var logits: [Float]
    }

    /// The network that learns.
    public let network: ClassifierNetwork
    /// How it learns.
    public let configuration: Configuration
    /// The strategies of the configuration.
    public let strategy: StrategyMix
    /// The network's parameters.
    public let parameters: ParameterStore<Float>
    /// The optimiser of the configuration.
    public let optimizer: Optimizer
    var memory: ReplayBuffer<Memory>
    private let graph: Graph<Float>
    /// New rows, then replayed ones, then additional ones.
    private let features, logits: Tensor<Float>
    private let targets: Indices
    /// The cross entropy of the labels, without the strategies' terms.
    private let labelLoss: Tensor<Float>
    private let strategies: BoundStrategies<ClassifierServer>
    private let replayed: Int

    /// - Parameters:
    ///   - network: the network to train.
    ///   - configuration: how it learns.
    ///   - seed: of the initial parameters and of replay.
    ///   - lists: the strategies, optimisers and replay policies, by name.
    ///   - team: the threads that compute.
    /// - Throws: `SettingsError`, if a setting is invalid.
    public init(
        _ network: ClassifierNetwork, _ configuration: Configuration = Configuration(), seed: UInt64,
        lists: LearningLists = LearningLists(), team: Team = .solo
    ) throws(SettingsError) {
        try configuration.validate()
        let batch = configuration.batch
        let mix = try StrategyMix(named: configuration.strategy, settings: configuration.strategySettings, from: lists.strategies)
        let rule = try updateRule(configuration.optimizer, settings: configuration.optimizerSettings, from: lists.optimizers)
        try SettingsError.require(
            network.parameters.contains { mix.learns($0.name) }, "strategy", "nothing of the network learns by '\(configuration.strategy)'")
        var random = RandomSource(seed: seed)
        parameters = network.initialStore(using: &random)
        replayed = mix.replays ? configuration.replayed : 0
        memory = try ReplayBuffer(
            policy: configuration.replay, from: lists.replayPolicies, capacity: mix.replays ? configuration.memory : 0,
            random: random.split())
        let graph = Graph(parameters: parameters, learning: { mix.learns($0.name) }, team: team)
        let rows = batch + replayed + mix.additionalRows
        features = graph.input([rows, network.features])
        logits = network(features, in: graph)
        targets = graph.indices(Array(repeating: Self.none, count: rows))
        let mask = mix.masksClasses ? graph.input([rows, network.classes]) : nil
        labelLoss = graph.crossEntropy(mask.map { [logits] in graph.add(logits, $0) } ?? logits, targets: targets).mean
        strategies = BoundStrategies(
            mix, in: graph, logits: logits, classMask: mask, loss: labelLoss, rows: (new: batch, candidates: batch + replayed)
        ) { parameters, rows in ClassifierServer(network, parameters: parameters, batch: rows, team: team) }
        optimizer = Optimizer(rule, parameters: parameters, gradients: graph.gradients, team: team)
        (self.network, self.configuration, self.strategy, self.graph) = (network, configuration, mix, graph)
    }

    /// Predicts the samples' classes, then learns from them and remembers them.
    ///
    /// - Parameter samples: 1 to `batch` samples.
    /// - Returns: the class probabilities of each sample before it was learned.
    @discardableResult
    public func learn(_ samples: [Sample]) -> [[Float]] {
        precondition((1...configuration.batch).contains(samples.count), "\(samples.count) samples in a batch of \(configuration.batch)")
        var predictions: [[Float]] = []
        for step in 0..<configuration.steps {
            let recalled = recall(for: samples), additional = memory.draw(strategy.additionalRows)
            put(samples)
            put(recalled, from: configuration.batch, count: replayed)
            put(additional, from: configuration.batch + replayed, count: strategy.additionalRows, isLabelled: false)
            prepare(samples, recalled, additional)
            graph.forward()
            if step == 0 {
                predictions = samples.indices.map { softmax(logits(of: $0)) }
                remember(samples)
            }
            guard strategy.updates else { break }
            graph.backward(from: strategies.loss)
            strategies.correct(graph.gradients)
            optimizer.step()
        }
        if strategy.updates, !strategies.isEmpty { strategies.finish(samples.map(\.label)) }
        return predictions
    }

    /// Ends a domain: some strategies from now on retain the current weights.
    public func consolidate() { strategies.consolidate() }

    private typealias Drawn = ReplayBuffer<Memory>.Drawn

    /// The target that the cross entropy ignores.
    private static let none = -100

    private func logits(of row: Int) -> [Float] {
        Array(logits.values[row * network.classes..<(row + 1) * network.classes])
    }

    private func recall(for samples: [Sample]) -> [Drawn] {
        strategies.recall(replayed, from: &memory, reading: { $0.sample }) {
            put(samples)
            put([], from: configuration.batch, count: replayed + strategy.additionalRows)
            strategies.clear()
            graph.forward()
            graph.backward(from: labelLoss)
            return graph.gradients
        }
    }

    private func put(_ samples: [Sample]) {
        for row in 0..<configuration.batch {
            if row < samples.count { put(samples[row], row: row) } else { targets[row] = Self.none }
        }
    }

    private func put(_ recalled: [Drawn], from first: Int, count: Int, isLabelled: Bool = true) {
        for place in 0..<count {
            if place < recalled.count { put(recalled[place].item.sample, row: first + place) }
            if place >= recalled.count || !isLabelled { targets[first + place] = Self.none }
        }
    }

    private func put(_ sample: Sample, row: Int) {
        let count = network.features
        precondition((0..<network.classes).contains(sample.label), "label \(sample.label) of \(network.classes) classes")
        precondition(sample.features.count == count, "\(sample.features.count) features for a network of \(count)")
        _ = UnsafeMutableBufferPointer(rebasing: features.values[row * count..<(row + 1) * count]).update(from: sample.features)
        targets[row] = sample.label
    }

    /// Describes the rows of the step to the strategies.
    private func prepare(_ samples: [Sample], _ recalled: [Drawn], _ additional: [Drawn]) {
        guard !strategies.isEmpty else { return }
        func rows(_ drawn: [Drawn], from first: Int) -> [StrategyStep.Row] {
            drawn.enumerated().map { .init(place: first + $0, label: $1.item.sample.label, logits: $1.item.logits) }
        }
        var step = StrategyStep()
        step.new = samples.enumerated().map { .init(place: $0, label: $1.label, logits: []) }
        step.recalled = rows(recalled, from: configuration.batch)
        step.additional = rows(additional, from: configuration.batch + replayed)
        strategies.prepare(step, new: samples)
    }

    private func remember(_ samples: [Sample]) {
        for (row, sample) in samples.enumerated() {
            let logits = logits(of: row)
            guard logits.allSatisfy(\.isFinite) else { continue }  // it would make every step that replays it non-finite
            memory.add(
                Memory(sample: sample, logits: strategy.storesLogits && !strategy.followsTeacher ? logits : []), label: sample.label,
                bytes: 4 * (sample.features.count + network.classes))
        }
    }
}

private func softmax(_ logits: [Float]) -> [Float] {
    let largest = logits.max() ?? 0
    let powers = logits.map { exp($0 - largest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
}
