import ArgumentParser
import Foundation
import Launch
import Layers
import Model

/// `accrete model merge`: merges an adapter into the model it was trained for.
struct Merge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Merge a LoRA adapter in PEFT's format into its model and save the result.",
        discussion: """
            Example:
              accrete model merge --model gpt2 --adapter gpt2-lora --output gpt2-merged
            """
    )

    @Option(help: modelHelp)
    var model: String

    @Option(help: ArgumentHelp("A directory with adapter_config.json and adapter_model.safetensors.", valueName: "dir"))
    var adapter: String

    @Option(help: ArgumentHelp("The directory for the result, other than the model's.", valueName: "dir"))
    var output: String

    func run() throws {
        guard URL(filePath: output).standardizedFileURL != URL(filePath: model).standardizedFileURL else {
            throw ValidationError("--output must not be the model's directory.")
        }
        let opened = try TrunkModel(path: model), parameters = opened.parameters
        let (adapters, adapted) = try Adapters.open(directory: adapter, for: opened.trunk)
        adapters.merge(adapted, into: parameters, inputsFirst: opened.trunk.storesInputsFirst)
        guard parameters.values.allSatisfy(\.isFinite) else {
            throw StartFailure("after merging \(adapter), weights of \(self.model) are not finite")
        }
        try opened.trunk.save(parameters, to: output, origin: self.model)
        print("The merged model was saved in \(output).")
    }
}
