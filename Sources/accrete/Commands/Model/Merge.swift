import ArgumentParser
import Foundation
import Launch
import Layers
import Model

/// Merges an adapter into the model it was trained for.
struct Merge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Merges a LoRA adapter, as PEFT saves it, into a GPT-2 and saves the result.",
        discussion: """
            Example:
              accrete model merge --model gpt2 --adapter gpt2-lora --output gpt2-merged
            """
    )

    @Option(help: ArgumentHelp("A Hugging Face GPT-2 directory.", valueName: "dir"))
    var model: String

    @Option(help: ArgumentHelp("A directory with adapter_config.json and adapter_model.safetensors.", valueName: "dir"))
    var adapter: String

    @Option(help: ArgumentHelp("Where to save; another directory than the model's.", valueName: "dir"))
    var output: String

    func run() throws {
        guard URL(filePath: output).standardizedFileURL != URL(filePath: model).standardizedFileURL else {
            throw ValidationError("--output is the model's own directory; name another.")
        }
        let (model, parameters) = try GPT2.open(directory: model)
        let (adapters, adapted) = try Adapters.open(directory: adapter, for: model)
        adapters.merge(adapted, into: parameters)
        guard parameters.values.allSatisfy(\.isFinite) else {
            throw StartFailure("merged with \(adapter), weights of \(self.model) are no longer finite numbers")
        }
        try model.save(parameters, to: output, origin: self.model)
        print("\(output) holds the merged model.")
    }
}
