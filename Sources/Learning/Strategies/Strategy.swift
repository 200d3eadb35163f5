import Statistics
import Tensors

/// How a learner keeps the old while it learns the new: the settings of one way to do so. What is left out has a default that does nothing.
///
/// A strategy serves every learner alike, whatever its rows are: moments, or feature vectors. It is one file, and one line in `strategies`.
public protocol Strategy: Settings {
    /// Under which its state is saved, and by which two of a kind are known; of two in one mix the later counts.
    static var name: String { get }

    /// Whether new rows make a step by themselves; otherwise they are remembered, and triggers decide when to learn.
    var updates: Bool { get }
    /// Whether remembered rows are learned again in each step.
    var replays: Bool { get }
    /// Remembered rows that are drawn beside those, and whose labels do not count: for terms over what was stored with them.
    var rowsBeside: Int { get }
    /// Whether the logits that a row had when it was new are remembered with it.
    var storesLogits: Bool { get }
    /// Whether it hides classes from the cross entropy of some rows: `StrategySite.classMask` is there only then.
    var masksClasses: Bool { get }
    /// Of how many times as many remembered rows, drawn as the memory's policy does, `choose` picks those that are recalled; 0: it does not pick.
    var candidates: Int { get }
    /// Whether a parameter learns; one that does not costs no gradient and no optimiser memory.
    func learns(_ parameter: String) -> Bool
    /// What `bind` keeps, for those who reckon with memory before anything runs.
    var memory: StrategyMemory { get }

    /// Adds its terms to the loss while a learner's graph is recorded.
    /// - Returns: what is asked again in every step; nil where nothing is.
    func bind(to site: inout StrategySite) -> (any BoundStrategy)?
}

extension Strategy {
    public var updates: Bool { true }
    public var replays: Bool { false }
    public var rowsBeside: Int { 0 }
    public var storesLogits: Bool { false }
    public var masksClasses: Bool { false }
    public var candidates: Int { 0 }
    public func learns(_ parameter: String) -> Bool { true }
    public var memory: StrategyMemory { StrategyMemory() }
    public func bind(to site: inout StrategySite) -> (any BoundStrategy)? { nil }
    public func validate() throws(SettingsError) {}
}

/// A strategy bound to a learner's recorded graph: what it does in each step, and what it remembers. One owner.
public protocol BoundStrategy: AnyObject {
    /// Which candidates to recall, by their places in `StepPart.candidates`, where there are more than `count`.
    /// - Parameter gradients: of a step with the new rows alone.
    func choose(_ count: Int, by gradients: ParameterStore<Float>) -> [Int]
    /// Sets what its terms need, before a step's forward pass. A step without rows leaves nothing set.
    func prepare(_ step: StrategyStep)
    /// Changes a step's gradients before the optimiser sees them.
    func correct(_ gradients: ParameterStore<Float>)
    /// New rows have been learned from, in one step or several.
    func finish(_ labels: [Int])
    /// A domain has ended, or all is well: what it holds on to from here on is the weights as they are.
    func consolidate()
    /// All it remembers: restored, it goes on exactly where it was.
    var state: StrategyState { get }
    /// Goes on from a state of its own; nothing is changed where it does not fit.
    func restore(_ state: StrategyState) throws(Optimizer.StateError)
    /// Goes on from another of its kind, bound to another graph of the same weights.
    func carry(from other: any BoundStrategy)
}

extension BoundStrategy {
    public func choose(_ count: Int, by gradients: ParameterStore<Float>) -> [Int] { Array(0..<count) }
    public func prepare(_ step: StrategyStep) {}
    public func correct(_ gradients: ParameterStore<Float>) {}
    public func finish(_ labels: [Int]) {}
    public func consolidate() {}
    public var state: StrategyState { StrategyState() }
    public func restore(_ state: StrategyState) throws(Optimizer.StateError) {}
    public func carry(from other: any BoundStrategy) { try? restore(other.state) }
}

/// Where a strategy is bound: the recorded rows that it may add terms over, and how it reads rows by other weights.
public struct StrategySite {
    public let graph: Graph<Float>
    /// Of every row of a step, (rows, classes). Which rows are new and which are recalled, each step says.
    public let logits: Tensor<Float>
    /// Added to the logits before the label's cross entropy, (rows, classes).
    public let classMask: Tensor<Float>?
    /// What is minimised, with what other strategies have added so far.
    public var loss: Tensor<Float>
    let makeReader: (ParameterStore<Float>, StepPart) -> any RowReader

    /// Those that learn and those that do not.
    public var parameters: ParameterStore<Float> { graph.parameters }

    /// Adds scale · term to the loss.
    public mutating func add(_ term: Tensor<Float>, scale: Double = 1) { loss = graph.add(loss, term, scale: scale) }

    /// Reads a part of each step by weights that need not be the learner's.
    public func reader(of part: StepPart, by parameters: ParameterStore<Float>) -> any RowReader { makeReader(parameters, part) }
}

/// What of a step can be read by other weights.
public enum StepPart: Sendable {
    case new, candidates
}

/// Reads a part of the current step: forward only, by parameters that are read anew each time.
public protocol RowReader: AnyObject {
    var parameters: ParameterStore<Float> { get }
    /// Of each row, in their order.
    var logits: [[Float]] { get }
    /// The cross entropy of each row's label, in nats; nil for one without a label.
    var losses: [Double?] { get }
}

/// What stands in the rows of a step.
public struct StrategyStep: Sendable {
    public struct Row: Sendable {
        /// Its place among the site's rows.
        public let place: Int
        public let label: Int?
        /// What was stored with a remembered row; empty where nothing was.
        public let logits: [Float]
    }

    public var new: [Row] = []
    /// Learned again, label and all.
    public var recalled: [Row] = []
    /// As many as `rowsBeside` asks for, or as there are.
    public var beside: [Row] = []

    public init() {}
}

/// What a strategy remembers, for a checkpoint.
public struct StrategyState: Sendable, Equatable {
    /// A JSON object of small things.
    public var progress: JSONValue
    /// What has many numbers, by name.
    public var tensors: [String: [Float]]

    public init(progress: JSONValue = [:], tensors: [String: [Float]] = [:]) {
        self.progress = progress
        self.tensors = tensors
    }
}

/// What a strategy keeps beside its learner.
public struct StrategyMemory: Sendable, Equatable {
    /// Copies of the numbers that learn, and of all weights.
    public var learned, weights: Int
    /// Graphs that read the new rows, and the candidates.
    public var newReaders, candidateReaders: Int

    public init(learned: Int = 0, weights: Int = 0, newReaders: Int = 0, candidateReaders: Int = 0) {
        (self.learned, self.weights, self.newReaders, self.candidateReaders) = (learned, weights, newReaders, candidateReaders)
    }
}
