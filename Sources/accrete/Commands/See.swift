import ArgumentParser
import Files
import Senses
import Signals
import StrictJSON

/// `accrete see`: names what a picture shows.
struct See: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Name what a picture shows, with a pretrained network.",
        discussion: """
            EfficientNet-Lite0 gives the probabilities of the 1,000 classes of ImageNet for the square in the middle of a JPEG or PNG \
            file. 'deploy/models senses' downloads its weights (Apache-2.0) and the names of the classes.

            Examples:
              accrete see photo.jpg
              accrete see photo.jpg --json
            """
    )

    @Argument(help: "The JPEG or PNG file.")
    var image: String

    @Option(help: ArgumentHelp("The network's file.", valueName: "file"))
    var weights = "\(modelDirectory)/\(EfficientNetLite.fileName)"

    @Option(help: ArgumentHelp("The file with the names of the classes.", valueName: "file"))
    var names = "\(modelDirectory)/imagenet-classes.json"

    @Option(help: ArgumentHelp("How many classes are printed.", valueName: "count"))
    var top = 5

    @Option(help: ArgumentHelp("The number of threads.", valueName: "count"))
    var threads = 2

    @Flag(help: "Print one JSON object: classes with index, name and probability; the network and its digest.")
    var json = false

    /// The largest picture and the largest list of names that are read, in bytes, and the most pixels.
    private static let largestImage = 1 << 28
    private static let largestNames = 1 << 20
    private static let mostPixels = 1 << 26

    func validate() throws {
        guard (1...EfficientNetLite.classes).contains(top) else { throw ValidationError("--top is 1 to \(EfficientNetLite.classes).") }
        guard (1...64).contains(threads) else { throw ValidationError("--threads is 1 to 64.") }
    }

    func run() throws {
        let network = try EfficientNetLite(path: weights, threads: threads)
        let names = try classNames()
        let pixels: Pixels
        do {
            pixels = try Pixels(ofFile: readFile(image, atMost: Self.largestImage), maximumPixels: Self.mostPixels)
        } catch let refusal as SignalRefusal {
            throw ValidationError("\(image): \(refusal.detail)")
        }
        let probabilities = network.probabilities(of: try pixels.features(network).values)
        let best = probabilities.indices.sorted { (probabilities[$0], $1) > (probabilities[$1], $0) }.prefix(top)
        if json {
            let classes = best.map { index in
                JSON.object([
                    "index": .integer(index), "name": .string(names[index]), "probability": .number(Double(probabilities[index])),
                ])
            }
            print(
                JSON.object([
                    "classes": .array(classes), "digest": .string(network.digest), "network": .string(EfficientNetLite.name),
                ]).text())
        } else {
            for index in best { print("\(percent(probabilities[index]))  \(names[index])") }
        }
    }

    /// Names by class, from an object whose keys are the numbers of classes.
    private func classNames() throws -> [String] {
        guard fileExists(names) else { throw ValidationError("\(names) does not exist; 'deploy/models senses' downloads it.") }
        guard case .object(let members) = try JSON(parsing: readFile(names, atMost: Self.largestNames)) else {
            throw ValidationError("\(names) is not a JSON object of the names of classes.")
        }
        return try (0..<EfficientNetLite.classes).map { index in
            guard case .string(let name) = members["\(index)"] else { throw ValidationError("\(names) has no name for class \(index).") }
            return name
        }
    }

    /// With one decimal, right-aligned: `  3.4 %`.
    private func percent(_ probability: Float) -> String {
        let tenths = Int((probability * 1_000).rounded())
        let text = "\(tenths / 10).\(tenths % 10) %"
        return String(repeating: " ", count: max(0, 7 - text.count)) + text
    }
}
