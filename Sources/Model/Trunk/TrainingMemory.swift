import Layers
import Statistics
import Tensors

/// The bytes that training a trunk takes, computed before anything is allocated: the same recording that allocates a graph counts it.
///
/// The program itself, the text's tokens and the buffers of matrix products are not included: some tens of megabytes.
public struct TrainingMemory: Sendable, Equatable {
    /// Bytes of all parameters, and of frozen matrices as they are stored.
    public let parameters: Int
    /// Bytes of the gradients of the parameters that learn.
    public let gradients: Int
    /// Bytes of the optimiser's moments.
    public let moments: Int
    /// Bytes of activations and their gradients.
    public let activations: Int

    /// All bytes.
    public var total: Int { [gradients, moments, activations].reduce(parameters) { $0.clampedAdding($1) } }

    /// The maximal number of tokens in one pass: the sizes of all tensors can be computed without overflow.
    public static let tokenLimit = 1 << 23

    /// - Parameters:
    ///   - trunk: the model, with its adapters if it has any.
    ///   - frozen: matrices that stay as they are stored, by the names of the parameters that they take the place of.
    ///   - scope: which parameters learn.
    ///   - moments: numbers that the optimiser stores for each weight that learns.
    ///   - batch: sequences of a forward pass.
    ///   - time: tokens of a sequence; batch × time is at most `tokenLimit`.
    ///   - recomputing: whether blocks share their memory.
    ///   - team: the threads of the training.
    public init(
        _ trunk: some Trunk, frozen: [String: any FrozenMatrix] = [:], scope: LearningScope, moments: Int, batch: Int, time: Int,
        recomputing: Bool = false, team: Team = .solo
    ) {
        precondition(batch.clampedMultiplying(by: time) <= Self.tokenLimit, "\(batch) × \(time) tokens in one pass")
        let layout = ParameterLayout(trunk.parameters, frozen: frozen)
        let graph = Graph<Float>(
            parameters: ParameterStore(planning: layout), learning: { scope.learns($0, in: trunk) }, team: team)
        _ = trunk.languageModel(batch: batch, time: time, recomputing: recomputing, in: graph)
        let size = MemoryLayout<Float>.stride
        parameters = frozen.values.reduce(layout.count.clampedMultiplying(by: size)) { $0.clampedAdding($1.bytes) }
        gradients = graph.gradients.layout.count.clampedMultiplying(by: size)
        self.moments = gradients.clampedMultiplying(by: moments)
        activations = graph.activationCount.clampedMultiplying(by: size)
    }
}
