import Foundation
import Statistics
import Tensors

/// Learns to classify feature vectors from a stream, one small batch after another, by a strategy and an optimiser chosen by name.
///
/// `learn` predicts every row before it learns from it. The same seed and stream give the same numbers, to the bit.
/// A learner has one owner: it is not `Sendable`.
public final class ClassifierLearner {
    /// A labelled feature vector.
    public struct Sample: Codable, Sendable, Equatable {
        public var features: [Float]
        public var label: Int

        public init(features: [Float], label: Int) {
            self.features = features
            self.label = label
        }
    }

    /// A sample and the logits it had when it was new.
    struct Memory: Codable, Sendable {
        var sample: Sample
        var logits: [Float]
    }

    public let network: ClassifierNetwork
    public let strategy: Rehearsal
    public let batch: Int
    public let parameters: ParameterStore<Float>
    public let optimizer: Optimizer
    var memory: ReplayBuffer<Memory>
    private let graph: Graph<Float>
    private let rows: Rows
    private let elastic: ElasticConsolidation?
    /// What the last consolidated weights say; nil before the first consolidation.
    private var teacher: ClassifierServer?

    /// The graph's inputs and outputs: new rows, then replayed, then matched ones.
    private struct Rows {
        let features, logits, weights, loss: Tensor<Float>
        let targets: Indices
        /// Added to logits before the cross entropy; hides classes from new rows of an asymmetric strategy.
        let mask: Tensor<Float>?
        let matched, distilled: HeldLogits?
    }

    /// - Parameters:
    ///   - batch: the most rows that `learn` takes at a time.
    ///   - optimizer: a name of `optimizers`, with settings laid over its defaults.
    public init(
        _ network: ClassifierNetwork, strategy: Rehearsal, optimizer: String = "adam", settings: JSONValue = .object([:]),
        batch: Int, seed: UInt64, team: Team = .solo
    ) throws(SettingsError) {
        try SettingsError.require(batch > 0, "batch", "\(batch) is not positive")
        let rule = try updateRule(optimizer, settings: settings)
        var random = RandomSource(seed: seed)
        self.network = network
        self.strategy = strategy
        self.batch = batch
        parameters = network.initialStore(using: &random)
        memory = try ReplayBuffer(policy: strategy.policy, capacity: strategy.memory, random: random.split())
        graph = Graph(parameters: parameters, team: team)
        rows = Self.record(network, strategy, batch, in: graph)
        elastic =
            strategy.elasticStrength > 0
            ? ElasticConsolidation(graph.gradients.layout, try .init(["strength": .number(strategy.elasticStrength)])) : nil
        self.optimizer = Optimizer(rule, parameters: parameters, gradients: graph.gradients, team: team)
    }

    private static func record(_ network: ClassifierNetwork, _ strategy: Rehearsal, _ batch: Int, in graph: Graph<Float>) -> Rows {
        let labelled = batch + strategy.replayed, all = labelled + strategy.matched, classes = network.classes
        let features = graph.input([all, network.features])
        let logits = network(features, in: graph)
        let targets = graph.indices(Array(repeating: -100, count: labelled))
        let weights = graph.input([labelled])
        let mask = strategy.asymmetric ? graph.input([labelled, classes]) : nil
        let answers = labelled < all ? graph.sliceRows(logits, 0..<labelled) : logits
        let crossEntropy = graph.crossEntropy(mask.map { graph.add(answers, $0) } ?? answers, targets: targets, weights: weights).mean
        let matched = strategy.matched > 0 ? HeldLogits(graph.sliceRows(logits, labelled..<all), in: graph) : nil
        let distilled = strategy.distillWeight > 0 ? HeldLogits(graph.sliceRows(logits, 0..<batch), in: graph) : nil
        var loss = crossEntropy
        if let matched { loss = graph.add(loss, matched.distance, scale: strategy.matchWeight) }
        if let distilled { loss = graph.add(loss, distilled.distance, scale: strategy.distillWeight) }
        return Rows(
            features: features, logits: logits, weights: weights, loss: loss, targets: targets, mask: mask, matched: matched,
            distilled: distilled)
    }

    /// Predicts the samples' classes, then learns from them and remembers them.
    /// - Returns: a distribution over classes for each sample, from before it was learned.
    @discardableResult
    public func learn(_ samples: [Sample]) -> [[Float]] {
        precondition((1...batch).contains(samples.count), "\(samples.count) samples in a batch of \(batch)")
        var predictions: [[Float]] = []
        for step in 0..<strategy.steps {
            put(samples)
            recall()
            graph.forward()
            if step == 0 {
                predictions = samples.indices.map { softmax(logits(of: $0)) }
                remember(samples)
            }
            graph.backward(from: rows.loss)
            elastic?.gather(graph.gradients)
            elastic?.addPenalty(of: parameters, to: graph.gradients)
            optimizer.step()
        }
        return predictions
    }

    /// A domain has ended: what strategies without a memory hold on to from here on is the weights as they are.
    public func consolidate() {
        elastic?.consolidate(parameters)
        if rows.distilled != nil { teacher = ClassifierServer(network, parameters: parameters.copy(), batch: batch) }
    }

    private func logits(of row: Int) -> [Float] {
        Array(rows.logits.values[row * network.classes..<(row + 1) * network.classes])
    }

    private func put(_ samples: [Sample]) {
        for row in 0..<batch {
            if row < samples.count { setRow(row, samples[row], weight: 1) } else { rows.targets[row] = -100 }
        }
        hideAbsentClasses(from: samples)
        if let distilled = rows.distilled, let teacher {
            distilled.clear()
            for (row, logits) in teacher.logits(of: samples.map(\.features)).enumerated() { distilled.set(row, logits) }
        }
    }

    private func hideAbsentClasses(from samples: [Sample]) {
        guard let mask = rows.mask else { return }
        let present = Set(samples.map(\.label)), classes = network.classes
        for row in 0..<batch {
            for k in 0..<classes { mask.values[row * classes + k] = present.contains(k) ? 0 : -1e9 }
        }
    }

    private func recall() {
        let replayed = memory.draw(strategy.replayed)
        for place in 0..<strategy.replayed {
            let row = batch + place
            if place < replayed.count {
                setRow(row, replayed[place].item.sample, weight: Float(strategy.replayWeight))
            } else {
                rows.targets[row] = -100
            }
        }
        guard let matched = rows.matched else { return }
        matched.clear()
        for (place, drawn) in memory.draw(strategy.matched).enumerated() {
            setFeatures(batch + strategy.replayed + place, drawn.item.sample.features)
            matched.set(place, drawn.item.logits)
        }
    }

    private func setRow(_ row: Int, _ sample: Sample, weight: Float) {
        precondition((0..<network.classes).contains(sample.label), "label \(sample.label) of \(network.classes) classes")
        setFeatures(row, sample.features)
        rows.targets[row] = sample.label
        rows.weights.values[row] = weight
    }

    private func setFeatures(_ row: Int, _ features: [Float]) {
        precondition(features.count == network.features, "\(features.count) features for a network of \(network.features)")
        _ = UnsafeMutableBufferPointer(rebasing: rows.features.values[row * features.count..<(row + 1) * features.count]).update(
            from: features)
    }

    private func remember(_ samples: [Sample]) {
        for (row, sample) in samples.enumerated() {
            let logits = logits(of: row)
            guard logits.allSatisfy(\.isFinite) else { continue }  // it would spoil every step that it is recalled for
            memory.add(Memory(sample: sample, logits: logits), label: sample.label, bytes: 4 * (sample.features.count + network.classes))
        }
    }
}

private func softmax(_ logits: [Float]) -> [Float] {
    let largest = logits.max() ?? 0
    let powers = logits.map { exp($0 - largest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
}
