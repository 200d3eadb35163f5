import ArgumentParser
import Foundation
import Learning
import Model
import Signals
import Statistics

/// One online pass over images, speech in noise and ambiguous captions of digits: each moment is tested, then learned.
struct AV3MNIST: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "av3mnist",
        abstract: "Prequential accuracy of every fusion, beside single modalities, in one online pass.",
        discussion: "Example: accrete-bench av3mnist --data ../shared/data/av3mnist --fusion early --seeds 3")

    @Option(help: "The directory with manifest.csv, images-idx3-ubyte and audio/.")
    var data: String

    @Option(help: "A fusion; repeat for several. All, if not given.")
    var fusion: [String] = []

    @Option(help: "Initialisations, numbered from 1.")
    var seeds = 3

    @Option(help: "The encoder of the audio.")
    var audioEncoder = "dense"

    @Flag(help: "Leave out what the data's column `drop` names.")
    var drop = false

    @Flag(help: "Leave out the passes of single modalities.")
    var fusionsOnly = false

    @Flag(help: "One JSON object.")
    var json = false

    func run() throws {
        let moments = try AV3MNISTMoments(directory: data).moments(dropping: drop)
        var results: [PassResult] = []
        let fusionNames = fusion.isEmpty ? fusions.map(\.key) : fusion
        for name in fusionNames { try results.append(result(of: name, name, moments)) }
        for name in fusionsOnly ? [] : MultimodalConfiguration().modalities where moments.contains(where: { $0.has(name) }) {
            try results.append(result(of: "\(name) alone", "late", moments.map { $0.keeping(only: name) }))
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
            print(String(decoding: try encoder.encode(results), as: UTF8.self))
        }
    }

    private func result(of label: String, _ fusion: String, _ moments: [MomentInput]) throws -> PassResult {
        var configuration = MultimodalConfiguration()
        configuration.fusion = fusion
        configuration.senses = [.image, .audio]
        configuration.senses[1].encoder = audioEncoder
        let model = try MultimodalModel(configuration)
        let start = ContinuousClock.now
        let correct = try (1...max(1, seeds)).map { seed in
            try Prequential.pass(over: moments, learner: OnlineLearner(model, seed: UInt64(seed)))
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let result = PassResult(
            name: label, all: correct.map(accuracy), last500: correct.map { accuracy($0.suffix(500)) },
            millisecondsPerMoment: 1000 * seconds / Double(correct.count * moments.count))
        if !json { print(result) }
        return result
    }

    private func accuracy(_ correct: some Collection<Bool>) -> Double {
        100 * Double(correct.count { $0 }) / Double(correct.count)
    }
}

private enum Prequential {
    /// Whether each moment's label was told before it was learned.
    static func pass(over moments: [MomentInput], learner: OnlineLearner) throws -> [Bool] {
        let serving = MultimodalGraph.predicting(learner.model, parameters: learner.parameters, batch: 1, languageRows: 0)
        return try moments.map { moment in
            serving.set(moment, row: 0)
            serving.forward()
            let isCorrect = serving.prediction(row: 0).decided == moment.label
            try learner.learn(moment)
            return isCorrect
        }
    }
}

/// Accuracies in percent, one for each seed.
private struct PassResult: Encodable, CustomStringConvertible {
    let name: String
    let all: [Double]
    let last500: [Double]
    let millisecondsPerMoment: Double

    var description: String {
        let mean = { (numbers: [Double]) in String(format: "%.1f", numbers.reduce(0, +) / Double(numbers.count)) }
        return "\(name): \(mean(all)) % of all, \(mean(last500)) % of the last 500, "
            + String(format: "%.1f ms a moment", millisecondsPerMoment)
    }
}

/// The data as moments, in file order, through the same frontends as live readings.
private struct AV3MNISTMoments {
    let directory: String

    func moments(dropping: Bool) throws -> [MomentInput] {
        let url = URL(fileURLWithPath: directory)
        let lines = try String(contentsOf: url.appending(path: "manifest.csv"), encoding: .utf8).split(separator: "\n")
        let columns = lines[0].split(separator: ",").map(String.init)
        let images = try [UInt8](Data(contentsOf: url.appending(path: "images-idx3-ubyte")))
        let (image, audio) = (try frontend(for: "image"), try frontend(for: "audio"))
        return try lines.dropFirst().map { line in
            let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            let row = Dictionary(uniqueKeysWithValues: zip(columns, fields))
            guard let index = row["image_index"].flatMap(Int.init), let sound = row["audio"], let text = row["text"],
                let label = row["label"].flatMap(Int.init), images.count >= 16 + 784 * (index + 1)
            else { throw ValidationError("\(directory)/manifest.csv: cannot read the line '\(line)'") }
            let pixels = Array(images[16 + 784 * index..<16 + 784 * (index + 1)])
            let wave = try [UInt8](Data(contentsOf: url.appending(path: sound)))
            let seen = try image.features(of: RawReading(
                modality: "image", format: "image/x-gray8", width: 28, height: 28, payload: pixels))
            let heard = try audio.features(of: RawReading(modality: "audio", format: "audio/wav", payload: wave))
            let moment = MomentInput(
                text: text.utf8.map(Int.init), senses: ["image": SenseInput(seen), "audio": SenseInput(heard)], label: label,
                classes: 10)
            return dropping ? moment.leaving(out: row["drop"] ?? "") : moment
        }
    }
}

extension SenseInput {
    fileprivate init(_ features: Features) {
        self.init(rows: features.rows, columns: features.columns, values: features.values, validity: features.validity)
    }
}

extension MomentInput {
    fileprivate func leaving(out modality: String) -> MomentInput {
        var moment = self
        moment.senses[modality] = nil
        if modality == MultimodalConfiguration.textName { moment.text = [] }
        return moment
    }

    fileprivate func keeping(only modality: String) -> MomentInput {
        ["image", "audio", MultimodalConfiguration.textName].filter { $0 != modality }.reduce(self) { $0.leaving(out: $1) }
    }
}
