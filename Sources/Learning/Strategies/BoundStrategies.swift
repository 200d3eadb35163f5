import Foundation
import Statistics
import StrictJSON
import Tensors

/// The strategies of a learner, bound to its recorded graph, with the inputs of the current step, which they may evaluate with other
/// weights.
///
/// It is generic over the inputs, feature vectors or moments: learners differ in their `InputReader`.
final class BoundStrategies<Reader: InputReader> {
    /// The inputs of a step, and the candidates for replay.
    struct Inputs {
        var new: [Reader.Input] = []
        var candidates: [Reader.Input] = []
    }

    /// Shared with the readers of the strategies.
    private final class Current {
        var inputs = Inputs()
    }

    /// The loss to minimise: the model's and the strategies' terms.
    let loss: Tensor<Float>
    private let bound: [(name: String, strategy: any BoundStrategy)]
    private let chooser: (strategy: any BoundStrategy, times: Int)?
    private let current: Current

    /// Records the strategies' terms.
    /// - Parameters:
    ///   - classMask: the tensor added to the logits in the model's loss, if the mix masks classes.
    ///   - makeReader: creates a reader with given parameters and number of rows.
    ///   - rows: the numbers of new rows and of candidates.
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

    /// Whether no strategy is bound, so that a step need not be described.
    var isEmpty: Bool { bound.isEmpty }

    func prepare(_ step: StrategyStep, new inputs: [Reader.Input]) {
        current.inputs.new = inputs
        for (_, strategy) in bound { strategy.prepare(step) }
    }

    /// Switches off all terms and masks, which leaves the model's loss.
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

    /// Draws items to replay, chosen by a strategy if one chooses.
    /// - Parameters:
    ///   - input: the reader's input for an item.
    ///   - gradients: computes the gradients of the new rows only.
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

    /// The states of the strategies, by name.
    var states: [String: StrategyState] { Dictionary(uniqueKeysWithValues: bound.map { ($0.name, $0.strategy.state) }) }

    /// Restores states by name; strategies without one keep their initial state.
    func restore(_ states: [String: StrategyState]) throws(Optimizer.StateError) {
        for (name, strategy) in bound {
            if let state = states[name] { try strategy.restore(state) }
        }
    }

    /// Copies the states of the strategies that both mixes have.
    func carry(from other: BoundStrategies) {
        for (name, strategy) in bound {
            if let same = other.bound.first(where: { $0.name == name }) { strategy.carry(from: same.strategy) }
        }
    }
}

/// Evaluates a learner's inputs with given parameters, forward only.
protocol InputReader: AnyObject {
    associatedtype Input
    var parameters: ParameterStore<Float> { get }
    func logits(of inputs: [Input]) -> [[Float]]
    /// The cross entropy of each input's label, in nats; nil for an input without a label.
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
    /// - Returns: the tensor's numbers; nil if there is no such tensor.
    func numbers(_ name: String, _ count: Int) throws(Optimizer.StateError) -> [Float]? {
        guard let numbers = tensors[name] else { return nil }
        guard numbers.count == count else { throw .init(description: "\(name) holds \(numbers.count) numbers, not \(count)") }
        return numbers
    }
}

extension JSON {
    init(encoding value: some Encodable) {
        guard let data = try? JSONEncoder().encode(value), let read = try? JSONDecoder().decode(JSON.self, from: data) else {
            preconditionFailure("\(value) cannot be encoded as JSON")
        }
        self = read
    }

    func decoded<Value: Decodable>(as: Value.Type) -> Value? {
        (try? JSONEncoder().encode(self)).flatMap { try? JSONDecoder().decode(Value.self, from: $0) }
    }
}
