import Foundation
import Statistics
import Tensors

/// A mix of strategies bound to a learner's recorded graph, and the inputs of the learner's current step, which they may read by other weights.
///
/// Feature vectors or moments: what differs between learners is their `InputReader`.
final class BoundStrategies<Reader: InputReader> {
    /// What a step, and a choice of what to recall, are about.
    struct Inputs {
        var new: [Reader.Input] = []
        var candidates: [Reader.Input] = []
    }

    /// Seen by the readers that strategies hold.
    private final class Current {
        var inputs = Inputs()
    }

    /// What is minimised: the model's loss and the strategies' terms.
    let loss: Tensor<Float>
    private let bound: [(name: String, strategy: any BoundStrategy)]
    private let chooser: (strategy: any BoundStrategy, times: Int)?
    private let current: Current

    /// Records the strategies' terms.
    /// - Parameters:
    ///   - classMask: what is added to the logits in the model's loss, where the mix masks classes.
    ///   - makeReader: reads so many rows at a time by given parameters.
    ///   - rows: how many new rows, and how many candidates, are read at a time.
    init(
        _ mix: StrategyMix, in graph: Graph<Float>, logits: Tensor<Float>, classMask: Tensor<Float>?, loss: Tensor<Float>,
        rows: (new: Int, candidates: Int), makeReader: @escaping (ParameterStore<Float>, Int) -> Reader
    ) {
        let current = Current()
        var site = StrategySite(graph: graph, logits: logits, classMask: classMask, loss: loss) { parameters, part in
            switch part {
            case .new: PartReader(makeReader(parameters, rows.new)) { current.inputs.new }
            case .candidates: PartReader(makeReader(parameters, rows.candidates)) { current.inputs.candidates }
            }
        }
        var bound: [(name: String, strategy: any BoundStrategy)] = []
        var chooser: (strategy: any BoundStrategy, times: Int)?
        for part in mix.parts {
            guard let strategy = part.bind(to: &site) else { continue }
            bound.append((type(of: part).name, strategy))
            if part.candidates > 0 { chooser = (strategy, part.candidates) }
        }
        self.loss = site.loss
        self.bound = bound
        self.chooser = chooser
        self.current = current
    }

    /// Where nothing is bound, a step need not be described.
    var isEmpty: Bool { bound.isEmpty }

    func prepare(_ step: StrategyStep, new inputs: [Reader.Input]) {
        current.inputs.new = inputs
        for (_, strategy) in bound { strategy.prepare(step) }
    }

    /// Nothing is held, and no class is hidden: the model's loss alone.
    func clear() { prepare(StrategyStep(), new: []) }

    func correct(_ gradients: ParameterStore<Float>) {
        for (_, strategy) in bound { strategy.correct(gradients) }
    }

    func finish(_ labels: [Int]) {
        for (_, strategy) in bound { strategy.finish(labels) }
    }

    func consolidate() {
        for (_, strategy) in bound { strategy.consolidate() }
    }

    /// Draws what to recall, by a strategy's choice where one chooses.
    /// - Parameters:
    ///   - input: what of an item is read.
    ///   - gradients: makes a backward pass of the new rows alone.
    func recall<Item>(
        _ count: Int, from memory: inout ReplayBuffer<Item>, reading input: (Item) -> Reader.Input,
        by gradients: () -> ParameterStore<Float>
    ) -> [ReplayBuffer<Item>.Drawn] {
        guard let chooser, memory.count > count else { return memory.draw(count) }
        let step = gradients()
        let candidates = memory.draw(chooser.times.clampedMultiplying(by: count))
        guard candidates.count > count else { return candidates }
        current.inputs.candidates = candidates.map { input($0.item) }
        defer { current.inputs.candidates = [] }
        return chooser.strategy.choose(count, by: step).prefix(count).filter(candidates.indices.contains).map { candidates[$0] }
    }

    /// By the strategies' names.
    var states: [String: StrategyState] { Dictionary(uniqueKeysWithValues: bound.map { ($0.name, $0.strategy.state) }) }

    /// Goes on from states by name; strategies that are not among them begin anew.
    func restore(_ states: [String: StrategyState]) throws(Optimizer.StateError) {
        for (name, strategy) in bound {
            if let state = states[name] { try strategy.restore(state) }
        }
    }

    /// What both mixes have goes on.
    func carry(from other: BoundStrategies) {
        for (name, strategy) in bound {
            if let same = other.bound.first(where: { $0.name == name }) { strategy.carry(from: same.strategy) }
        }
    }
}

/// Answers for a learner's inputs by parameters of its own, forward only.
protocol InputReader: AnyObject {
    associatedtype Input
    var parameters: ParameterStore<Float> { get }
    func logits(of inputs: [Input]) -> [[Float]]
    /// The cross entropy of each one's label, in nats; nil for one without a label.
    func losses(of inputs: [Input]) -> [Double?]
}

private final class PartReader<Reader: InputReader>: RowReader {
    private let reader: Reader
    private let inputs: () -> [Reader.Input]

    init(_ reader: Reader, _ inputs: @escaping () -> [Reader.Input]) {
        self.reader = reader
        self.inputs = inputs
    }

    var parameters: ParameterStore<Float> { reader.parameters }
    var logits: [[Float]] { reader.logits(of: inputs()) }
    var losses: [Double?] { reader.losses(of: inputs()) }
}

extension StrategyState {
    /// - Returns: nil where there is no such tensor.
    func numbers(_ name: String, _ count: Int) throws(Optimizer.StateError) -> [Float]? {
        guard let numbers = tensors[name] else { return nil }
        guard numbers.count == count else { throw .init(description: "\(name) holds \(numbers.count) numbers, not \(count)") }
        return numbers
    }
}

extension JSONValue {
    init(encoding value: some Encodable) {
        guard let data = try? JSONEncoder().encode(value), let read = try? JSONDecoder().decode(JSONValue.self, from: data) else {
            preconditionFailure("\(value) has no word in JSON")
        }
        self = read
    }

    func decoded<Value: Decodable>(as: Value.Type) -> Value? {
        (try? JSONEncoder().encode(self)).flatMap { try? JSONDecoder().decode(Value.self, from: $0) }
    }
}
