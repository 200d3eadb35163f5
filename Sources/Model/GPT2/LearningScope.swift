import Layers
import Tensors

/// Which parameters of a GPT-2 learn. The others cost no gradient arithmetic and no optimiser memory.
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
    public func learns(_ parameter: Parameter, in configuration: GPT2Configuration) -> Bool {
        let parts = parameter.name.split(separator: ".")
        switch self {
        case .all:
            return true
        case .adapters:
            return Adapters.contains(parameter)
        case .lastBlocks(let count):
            if parts[0] == "ln_f" { return true }
            guard parts[0] == "h", let block = Int(parts[1]) else { return false }
            return block >= configuration.layers - count
        case .headAndNorms:
            return parts[0] == (configuration.isTied ? "wte" : "lm_head") || parts.contains { $0.hasPrefix("ln_") }
        }
    }
}
