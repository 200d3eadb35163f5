import Statistics
import StrictJSON
import Tensors

/// A method of continual learning, with its settings: how a learner retains old knowledge while it learns. Members that are not
/// implemented have defaults without an effect.
///
/// A strategy works with every learner, whether its rows are moments or feature vectors. It is one file, and one line in `strategies`.
public protocol Strategy: Settings {
    /// The name under which its state is saved; a mix has at most one strategy of each name, the last one given.
    static var name: String { get }

    /// Whether new rows make a step; otherwise they are only remembered, and triggers decide when to learn.
    var updates: Bool { get }
    /// Whether remembered rows are replayed in each step.
    var replays: Bool { get }
    /// The number of remembered rows drawn in addition, whose labels do not count: for terms over stored logits.
    var additionalRows: Int { get }
    /// Whether the logits of a new row are remembered with it.
    var storesLogits: Bool { get }
    /// Whether the logits that are remembered are those of a teacher, if there is one.
    var followsTeacher: Bool { get }
    /// Whether it masks classes in the cross entropy of some rows: only then is `StrategySite.classMask` present.
    var masksClasses: Bool { get }
    /// The number of candidates for each replayed row, from which `choose` selects; 0: it does not select.
    var candidates: Int { get }
    /// Whether a parameter learns; the others cost no gradients and no optimiser memory.
    func learns(_ parameter: String) -> Bool
    /// The memory that `bind` allocates, to compute a learner's memory in advance.
    var memory: StrategyMemory { get }

    /// Adds its terms to the loss while a learner's graph is recorded.
    /// - Returns: the part that is called in every step; nil if there is none.
    func bind(to site: inout StrategySite) -> (any BoundStrategy)?
}

extension Strategy {
    public var updates: Bool { true }
    public var replays: Bool { false }
    public var additionalRows: Int { 0 }
    public var storesLogits: Bool { false }
    public var followsTeacher: Bool { false }
    public var masksClasses: Bool { false }
    public var candidates: Int { 0 }
    public func learns(_ parameter: String) -> Bool { true }
    public var memory: StrategyMemory { StrategyMemory() }
    public func bind(to site: inout StrategySite) -> (any BoundStrategy)? { nil }
    public func validate() throws(SettingsError) {}
}

/// A strategy bound to a learner's recorded graph: its work in each step, and its state. It has one owner.
public protocol BoundStrategy: AnyObject {
    /// Selects candidates to replay, if there are more than `count`; returns their indices in `StepPart.candidates`.
    /// - Parameter gradients: the gradients of the new rows only.
    func choose(_ count: Int, by gradients: ParameterStore<Float>) -> [Int]
    /// Sets the inputs of its terms, before a step's forward pass. A step without rows switches its terms off.
    func prepare(_ step: StrategyStep)
    /// Changes a step's gradients before the optimiser uses them.
    func correct(_ gradients: ParameterStore<Float>)
    /// Called when new rows have been learned, in one or several steps, with their labels.
    func finish(_ labels: [Int])
    /// Called at the end of a domain: from now on it retains the current weights.
    func consolidate()
    /// Its state; a restored strategy continues exactly.
    var state: StrategyState { get }
    /// Restores a state.
    /// - Throws: `Optimizer.StateError`, if it does not fit; nothing is changed then.
    func restore(_ state: StrategyState) throws(Optimizer.StateError)
    /// Copies the state of a strategy of the same kind that was bound to another graph of the same weights.
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

/// The part of a learner's graph that a strategy is bound to: it may add terms to the loss, and evaluate rows with other weights.
public struct StrategySite {
    /// The learner's graph.
    public let graph: Graph<Float>
    /// Class logits of every row of a step, (rows, classes). `StrategyStep` says which rows are new and which are replayed.
    public let logits: Tensor<Float>
    /// Added to the logits before the cross entropy of the label, (rows, classes); nil unless a strategy masks classes.
    public let classMask: Tensor<Float>?
    /// The loss to minimise, with the terms of other strategies added so far.
    public var loss: Tensor<Float>
    let makeReader: (ParameterStore<Float>, StepPart) -> any RowReader

    /// All parameters, whether they learn or not.
    public var parameters: ParameterStore<Float> { graph.parameters }

    /// Adds scale · term to the loss.
    public mutating func add(_ term: Tensor<Float>, scale: Double = 1) { loss = graph.add(loss, term, scale: scale) }

    /// A reader that evaluates a part of each step with given weights.
    public func reader(of part: StepPart, by parameters: ParameterStore<Float>) -> any RowReader { makeReader(parameters, part) }
}

/// The rows of a step that can be evaluated with other weights: the new rows, or the candidates for replay.
public enum StepPart: Sendable {
    case new, candidates
}

/// Evaluates a part of the current step, forward only.
public protocol RowReader: AnyObject {
    /// The parameters, read at every evaluation.
    var parameters: ParameterStore<Float> { get }
    /// The class logits of each row, in order.
    var logits: [[Float]] { get }
    /// The cross entropy of each row's label, in nats; nil for one without a label.
    var losses: [Double?] { get }
}

/// The rows of a step.
public struct StrategyStep: Sendable {
    /// One row.
    public struct Row: Sendable {
        /// Its index among the site's rows.
        public let place: Int
        /// Its class; nil if it has none.
        public let label: Int?
        /// The logits stored with a remembered row; empty if there are none.
        public let logits: [Float]
    }

    /// New rows.
    public var new: [Row] = []
    /// Replayed rows, which are learned with their labels.
    public var recalled: [Row] = []
    /// Additional remembered rows, `additionalRows` or as many as there are; their labels do not count.
    public var additional: [Row] = []

    public init() {}
}

/// The state of a strategy, for a checkpoint.
public struct StrategyState: Sendable, Equatable {
    /// A JSON object without large arrays.
    public var progress: JSON
    /// Large arrays, by name.
    public var tensors: [String: [Float]]

    public init(progress: JSON = [:], tensors: [String: [Float]] = [:]) {
        self.progress = progress
        self.tensors = tensors
    }
}

/// The memory that a strategy needs in addition to its learner's.
public struct StrategyMemory: Sendable, Equatable {
    /// The numbers of copies of the parameters that learn, and of all parameters.
    public var learned, weights: Int
    /// The numbers of graphs that evaluate the new rows, and the candidates.
    public var newReaders, candidateReaders: Int

    public init(learned: Int = 0, weights: Int = 0, newReaders: Int = 0, candidateReaders: Int = 0) {
        (self.learned, self.weights, self.newReaders, self.candidateReaders) = (learned, weights, newReaders, candidateReaders)
    }
}
