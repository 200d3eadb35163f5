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

    /// Whether a parameter of any trunk learns.
    public func learns(_ parameter: Parameter, in trunk: some Trunk) -> Bool {
        guard let role = trunk.role(of: parameter) else { return false }
        switch (self, role) {
        case (.all, _): return true
        case (.adapters, _): return role == .adapter
        case (.lastBlocks(let count), .block(let block)), (.lastBlocks(let count), .norm(block: let block?)):
            return block >= trunk.layers - count
        case (.lastBlocks, .norm(block: nil)): return true
        case (.headAndNorms, .embedding(let isHead)): return isHead
        case (.headAndNorms, .norm), (.headAndNorms, .head): return true
        default: return false
        }
    }
}
