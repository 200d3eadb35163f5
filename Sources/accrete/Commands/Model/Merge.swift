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
            The result is a Hugging Face directory or, if its name ends in .gguf, a GGUF file for llama.cpp and Ollama.

            Examples:
              accrete model merge --model gpt2 --adapter gpt2-lora --output gpt2-merged
              accrete model merge --model model.gguf --adapter book-lora --output book.gguf --type q8_0
            """
    )

    @Option(help: modelHelp)
    var model: String

    @Option(help: ArgumentHelp("A directory with adapter_config.json and adapter_model.safetensors.", valueName: "dir"))
    var adapter: String

    @Option(help: ArgumentHelp("The directory or the file for the result, other than the model's.", valueName: "dir"))
    var output: String

    @Option(help: "A GGUF file's numbers of matrices: f16 (the default) or q8_0.")
    var type: GGUFPrecision?

    private var isGGUF: Bool { output.hasSuffix(".gguf") }

    func validate() throws {
        if type != nil, !isGGUF {
            throw ValidationError("--type is for an --output that ends in .gguf; a directory's numbers are float32.")
        }
    }

    func run() throws {
        try refuseOverwriting(output, of: model)
        let opened = try TrunkModel(path: model), parameters = opened.parameters
        let (adapters, adapted) = try Adapters.open(directory: adapter, for: opened.trunk)
        adapters.merge(adapted, into: parameters, inputsFirst: opened.trunk.storesInputsFirst)
        guard parameters.values.allSatisfy(\.isFinite) else {
            throw StartFailure("after merging \(adapter), weights of \(self.model) are not finite")
        }
        try opened.trunk.save(parameters, to: output, as: isGGUF ? .gguf(type ?? .float16) : .safetensors, origin: self.model)
        print("The merged model was saved in \(output).")
    }
}
