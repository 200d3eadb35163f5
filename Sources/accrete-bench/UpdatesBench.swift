import ArgumentParser
import Foundation
import Learning
import Model
import Schema
import StrictJSON
import Tensors
import Tokenization
import Updates

/// Measures how small updates of a language model are that learns, and what a subscriber's model loses beside the learner's.
struct UpdatesBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "updates",
        abstract: "Compares the sizes of a language model's updates by their coding, with the subscriber's loss beside the learner's.",
        discussion: """
            The model is trained on the first half of a text, and published after every few steps, once for each coding. A subscriber \
            applies each update to its own copy. At the end both predict the beginning of the other half. Sizes are those of the \
            payloads; the whole is a safetensors file of all parameters in float32.

            Examples:
              accrete-bench updates --model models/smollm2-135m-instruct.gguf --text book.txt --scope lora
              accrete-bench updates --model models/smollm2-135m-instruct.gguf --text book.txt --scope all --rate 2e-5
            """)

    @Option(help: "A GGUF file, or a Hugging Face directory.") var model: String
    @Option(help: "The text.") var text: String
    @Option(help: "The trained parameters: all, last:N (blocks), head, or lora.") var scope = "lora"
    @Option(help: "lora: the rank of the adapters.") var rank = 8
    @Option(help: "lora: the adapted projections, separated by commas; without it, the usual ones.") var targets: String?
    @Option(help: "The learning rate of AdamW.") var rate = 1e-4
    @Option(help: "The number of tokens of a window.") var time = 128
    @Option(help: "The number of steps between two versions.") var steps = 2
    @Option(help: "The number of versions after the first.") var versions = 10
    @Option(help: "The tokens of the other half that both predict at the end.") var judged = 1_024
    @Option(help: "exact, float16, int8, separated by commas.") var codings = "exact,float16,int8"

    func run() throws {
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: text)))
        let tokenizer = try openTokenizer(path: model)
        let learned = tokenizer.encode(Array(bytes.prefix(bytes.count / 2)))
        let other = Array(tokenizer.encode(Array(bytes.suffix(bytes.count / 2))).prefix(judged))
        print(
            "coding    parameters   whole      update: mean, largest      of the whole   loss: learner, subscriber  seconds to make, apply")
        for word in codings.split(separator: ",") {
            guard let coding = UpdateCoding(rawValue: String(word)), coding != .whole else { throw ValidationError("no coding '\(word)'") }
            try measure(coding, learned, other)
        }
    }

    private func measure(_ coding: UpdateCoding, _ learned: [Int], _ other: [Int]) throws {
        let files = try TrunkFiles(path: model), team = Team(count: ProcessInfo.processInfo.activeProcessorCount)
        var configuration = TextTrainer.Configuration()
        (configuration.scope, configuration.rank, configuration.time) = (scope, rank, time)
        configuration.targets = targets?.split(separator: ",").map(String.init) ?? []
        configuration.optimizerSettings = .object(["learning_rate": .number(rate), "clip_norm": .number(1)])
        let opened = try files.model(adapters: configuration.adapters(of: files.trunk))
        let trainer = try TextTrainer(opened, tokens: learned, configuration, team: team)
        let store = trainer.parameters, shapes = store.layout.parameters.map { ModelState.Shape($0.name, $0.shape) }
        var settings = UpdateSettings()
        (settings.coding, settings.wholeEvery) = (coding, 1_000_000)
        var published = PublishedModel(shapes, settings), sizes: [Int] = [], making = Duration.zero, applying = Duration.zero
        let clock = ContinuousClock()
        let whole = try published.publish(UnsafeBufferPointer(store.values), version: 0, isWholeDue: true)[0].payload.count
        guard var subscriber = published.state else { return }
        for version in 1...max(1, versions) {
            for _ in 0..<steps { _ = trainer.step() }
            var content: PublishedModel.Content?
            making += try clock.measure {
                content = try published.publish(UnsafeBufferPointer(store.values), version: UInt64(version), isWholeDue: false).first
            }
            guard let content else { return }
            sizes.append(content.payload.count)
            let payload = content.payload.withUnsafeBytes { Array($0) }
            applying += try clock.measure {
                subscriber = try ParameterDelta.apply(
                    payload, plainBytes: UInt64(content.plainBytes), to: subscriber, title: "version \(version)")
            }
            guard subscriber.digest == content.state else {
                throw ValidationError("the subscriber's parameters differ from the publisher's")
            }
        }
        func loss(_ parameters: ParameterStore<Float>) throws -> Double {
            try Perplexity(
                of: other, bytes: other.count, model: trainer.model, parameters: parameters, window: 256, stride: 128, team: team
            ).nll
        }
        let own = try loss(store)
        for tensor in subscriber.tensors { _ = store[tensor.shape.name].update(fromContentsOf: tensor.values) }
        let theirs = try loss(store), mean = sizes.reduce(0, +) / sizes.count, largest = sizes.max() ?? 0
        print(
            coding.rawValue.padded(to: 10) + "\(store.values.count)".padded(to: 13) + "\(whole)".padded(to: 11)
                + "\(mean), \(largest)".padded(to: 27)
                + String(
                    format: "%.3f %%        %.4f, %.4f              %.2f, %.2f", 100 * Double(mean) / Double(whole), own, theirs,
                    making / .seconds(1) / Double(sizes.count), applying / .seconds(1) / Double(sizes.count)))
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { padding(toLength: width, withPad: " ", startingAt: 0) }
}
