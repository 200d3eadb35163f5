import ArgumentParser
import Files
import Foundation
import Learning
import Model
import StrictJSON
import Tensors
import Tokenization

/// Measures what smaller versions of a model take and what they cost.
struct CompressBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compress",
        abstract: "Measures smaller versions of a language model: bytes, memory, speed, bits per byte.",
        discussion: """
            Each version is made as `accrete model compress` does, calibrated on one text, and scored on that text's last fifth, which is
            held out, and on the beginnings of other texts. Memory and speed are those of decoding in a process of its own with the weights as
            they are stored: resident memory is with the mapped file and some 35 MB of program, the heap without. Rounds of all versions
            alternate, the median counts.

            Example:
              accrete-bench compress --model models/smollm2-135m-instruct.gguf --calibrate wikitext2/valid.txt --text alice_en.txt
            """)

    @Option(help: ArgumentHelp("A GGUF file or a Hugging Face directory.", valueName: "file")) var model: String
    @Option(help: ArgumentHelp("The text to calibrate on.", valueName: "file")) var calibrate: String
    @Option(help: ArgumentHelp("Another text to score, which calibrates nothing; repeatable.", valueName: "file")) var text: [String] = []
    @Option(help: ArgumentHelp("The versions, as `accrete model compress --to` takes them.", valueName: "names"))
    var versions = "int8,int5,int4/int8,int4"
    @Option(help: "Tokens that calibrate.") var tokens = 8_192
    @Option(help: "Steps of training after pruning.") var recover = 60
    @Option(help: "Bytes of each text that are scored.") var bytes = 16_384
    @Option(help: "Rounds of decoding.") var rounds = 3
    @Option(help: "Threads.") var threads = 2
    @Option(help: ArgumentHelp("A directory for the versions, which are kept there.", valueName: "dir")) var out: String?
    @Flag(help: "One JSON object a version.") var json = false

    private struct Version {
        let name: String, path: String, bytes: Int
        /// Of each text.
        let bitsPerByte: [Double]
        var speeds: [Double] = [], resident = 0.0, heap = 0.0
    }

    private struct Scored {
        let name: String, tokens: [Int], bytes: Int
    }

    func run() throws {
        let targets = try versions.split(separator: ",").map { name in
            guard let target = CompressionTarget(String(name)) else { throw ValidationError("no version is called \(name)") }
            return target
        }
        guard rounds > 0, threads > 0, tokens > 0, bytes > 0 else { throw ValidationError("all numbers must be positive") }
        let folder =
            out ?? FileManager.default.temporaryDirectory.appending(path: "compress-\(ProcessInfo.processInfo.processIdentifier)").path
        try makeDirectory(at: folder)
        defer { if out == nil { try? FileManager.default.removeItem(atPath: folder) } }  // left where it cannot be removed
        let team = Team(count: threads), opened = try TrunkModel(path: model), tokenizer = try openTokenizer(path: model)
        let window = min(512, opened.trunk.positions)
        let calibration = try CompressionText(
            readFile(calibrate, atMost: Self.textLimit), tokenizer, tokenLimit: tokens, piece: window, heldOutLimit: bytes)
        var texts = [Scored(name: name(of: calibrate) + " held out", tokens: calibration.heldOut, bytes: calibration.heldOutBytes)]
        for path in text {
            let part = Array(try readFile(path, atMost: Self.textLimit).prefix(bytes))
            texts.append(Scored(name: name(of: path), tokens: tokenizer.encode(part), bytes: part.count))
        }
        func score(_ model: TrunkModel) throws -> [Double] {
            try texts.map {
                try Perplexity(
                    of: $0.tokens, bytes: $0.bytes, model: model.trunk, parameters: model.parameters, window: window, stride: window,
                    team: team
                ).bitsPerByte
            }
        }
        let whole = "\(folder)/float32"
        try TrunkFiles(path: model).save(to: whole, as: .safetensors)
        var versions = [
            Version(name: "float32", path: whole, bytes: try InputFile("\(whole)/model.safetensors").size, bitsPerByte: try score(opened))
        ]
        for target in targets {
            let path = "\(folder)/\(String(target.description.map { $0 == "/" || $0 == ":" ? "-" : $0 })).gguf"
            if !fileExists(path) {
                try target.write(
                    opened, to: path, origin: model, calibration: calibration.calibration, recovery: ModelRecovery(steps: recover),
                    team: team)
            }
            versions.append(
                Version(
                    name: target.description, path: path, bytes: try InputFile(path).size,
                    bitsPerByte: try score(TrunkModel(path: path, storage: .stored))))
            StandardError.write("\(target) is scored\n")
        }
        try decode(&versions)
        report(versions, texts.map(\.name))
    }

    private static let textLimit = 1 << 30

    private func name(of path: String) -> String { URL(filePath: path).deletingPathExtension().lastPathComponent }

    private func decode(_ versions: inout [Version]) throws {
        let own = Peer(command: "'\(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))'")
        for _ in 0..<rounds {
            for index in versions.indices {
                let figures = try own.figures(
                    ["tokensPerSecond", "residentBytes", "heapBytes"],
                    "decoding-file --model '\(versions[index].path)' --threads \(threads) --prompt 256 --rounds 1 --json")
                versions[index].speeds.append(figures[0])
                (versions[index].resident, versions[index].heap) = (figures[1], figures[2])
            }
        }
    }

    private func report(_ versions: [Version], _ texts: [String]) {
        func median(_ figures: [Double]) -> Double { figures.sorted()[figures.count / 2] }
        let first = versions[0]
        if !json {
            print(
                "| version | MB | times smaller | resident MB | heap MB | tokens/s | "
                    + texts.map { "\($0), bits/byte | loss %" }.joined(separator: " | ") + " |")
            print("|---" + String(repeating: "|---", count: 5 + 2 * texts.count) + "|")
        }
        for version in versions {
            let losses = zip(version.bitsPerByte, first.bitsPerByte).map { ($0 / $1 - 1) * 100 }
            if json {
                print(
                    JSON.object([
                        "version": .string(version.name), "bytes": .integer(version.bytes),
                        "timesSmaller": .number(Double(first.bytes) / Double(version.bytes)), "residentBytes": .number(version.resident),
                        "heapBytes": .number(version.heap),
                        "tokensPerSecond": .number(median(version.speeds)),
                        "speedRatio": .number(median(zip(version.speeds, first.speeds).map { $0 / $1 })),
                        "bitsPerByte": .array(version.bitsPerByte.map { .number($0) }), "lossPercent": .array(losses.map { .number($0) }),
                        "texts": .array(texts.map { .string($0) }),
                    ]).text())
            } else {
                print(
                    String(
                        format: "| %@ | %.1f | %.2f | %.0f | %.0f | %.0f | ", version.name, Double(version.bytes) / 1e6,
                        Double(first.bytes) / Double(version.bytes), version.resident / 1e6, version.heap / 1e6,
                        median(version.speeds))
                        + zip(version.bitsPerByte, losses).map { String(format: "%.4f | %.2f", $0, $1) }.joined(separator: " | ") + " |")
            }
        }
    }
}
