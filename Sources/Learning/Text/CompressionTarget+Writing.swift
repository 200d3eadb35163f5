import Model
import Tensors

extension CompressionTarget {
    /// Makes a smaller version of a model and writes it as a GGUF file.
    ///
    /// - Parameters:
    ///   - model: the model in single precision, without adapters.
    ///   - path: the file.
    ///   - origin: the directory or the GGUF file that the model was opened from: its tokenizer is copied.
    ///   - tokens: the calibration text; empty without one.
    ///   - recovery: the training after pruning, if there is a calibration text.
    ///   - team: the threads that compute.
    ///   - progress: called with what has been done to which part of the model, from 0 to 1.
    /// - Throws: `ModelPruning.Refusal`, `SettingsError`, `TextTrainer.Refusal`; as `Trunk.save`.
    public func write(
        _ model: TrunkModel, to path: String, origin: String, calibration tokens: [Int], recovery: ModelRecovery, team: Team = .solo,
        progress: (_ what: String, _ part: Double) -> Void = { _, _ in }
    ) throws {
        var smaller = model
        if let pruning {
            smaller = try pruning.prune(model, calibration: tokens, team: team) { progress("pruned", $0) }
            if tokens.count > 1, recovery.steps > 0 {
                try recovery.train(smaller, on: tokens, team: team) { step, _ in
                    progress("recovered", Double(step + 1) / Double(recovery.steps))
                }
            }
        }
        guard let compression else {
            return try smaller.trunk.save(smaller.parameters, to: path, as: .gguf(.float16), origin: origin)
        }
        try compression.compress(smaller, calibration: tokens, team: team) { progress("compressed", $0) }.save(to: path, origin: origin)
    }
}
