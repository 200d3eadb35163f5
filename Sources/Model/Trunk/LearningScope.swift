import Tensors

/// Which parameters of a trunk learn. The others cost no gradient arithmetic and no optimiser memory.
public enum LearningScope: Sendable, Equatable {
    /// All parameters.
    case all
    /// The last n blocks and the last norm.
    case lastBlocks(Int)
    /// Every norm, and the head: a tied head is the embedding's table.
    case headAndNorms
    /// The model's low-rank adapters.
    case adapters

    /// Whether a parameter learns; for `Graph(parameters:learning:)`.
    public func learns(_ parameter: Parameter, in trunk: some Trunk) -> Bool {
        guard let role = trunk.role(of: parameter) else { return false }
        switch self {
        case .all: return true
        case .adapters: return role == .adapter
        case .lastBlocks(let count):
            switch role {
            case .projection(let block), .bias(let block), .norm(let block?): return block >= trunk.layers - count
            case .norm(nil): return true
            case .embedding, .head, .adapter: return false
            }
        case .headAndNorms:
            switch role {
            case .embedding(let isHead): return isHead
            case .norm, .head: return true
            case .projection, .bias, .adapter: return false
            }
        }
    }
}
