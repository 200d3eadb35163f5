import ArgumentParser
import Foundation
import Model
import Signals

/// Images, speech in noise and ambiguous captions of digits, in file order, through the same frontends as live readings.
struct AV3MNISTData {
    /// One sample as its sensors give it.
    struct Sample {
        /// 28 × 28 grey.
        var pixels: [UInt8]
        /// A WAV file.
        var wave: [UInt8]
        var text: String
        var label: Int
        /// The modality that a missing-modality test leaves out; empty: none.
        var drop: String
        /// When each modality's reading comes, in seconds from the sample's start.
        var arrivals: [String: Double]
        /// Every column of the manifest.
        var fields: [String: String]
    }

    let samples: [Sample]
    private let image: any Modality, audio: any Modality

    /// Seconds from one sample to the next.
    static let period = 0.64
    static let modalities = ["image", "audio", MultimodalConfiguration.textName]

    init(directory: String) throws {
        (image, audio) = (try frontend(for: "image"), try frontend(for: "audio"))
        let url = URL(fileURLWithPath: directory)
        let lines = try String(contentsOf: url.appending(path: "manifest.csv"), encoding: .utf8).split(separator: "\n")
        let columns = lines[0].split(separator: ",").map(String.init)
        let images = try [UInt8](Data(contentsOf: url.appending(path: "images-idx3-ubyte")))
        samples = try lines.dropFirst().enumerated().map { number, line in
            let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            let row = Dictionary(uniqueKeysWithValues: zip(columns, fields))
            guard let index = row["image_index"].flatMap(Int.init), let sound = row["audio"], let text = row["text"],
                let label = row["label"].flatMap(Int.init), images.count >= 16 + 784 * (index + 1)
            else { throw ValidationError("\(directory)/manifest.csv: cannot read the line '\(line)'") }
            let arrivals = Self.modalities.map { name in
                (name, (row["t_\(name)_ms"].flatMap(Double.init) ?? 0) / 1000 - Self.period * Double(number))
            }
            return Sample(
                pixels: Array(images[16 + 784 * index..<16 + 784 * (index + 1)]),
                wave: try [UInt8](Data(contentsOf: url.appending(path: sound))),
                text: text, label: label, drop: row["drop"] ?? "", arrivals: Dictionary(uniqueKeysWithValues: arrivals), fields: row)
        }
    }

    /// What a model is given of a sample.
    func moment(_ sample: Sample) throws -> MomentInput {
        let imageFeatures = try image.features(
            of: RawReading(modality: "image", format: "image/x-gray8", width: 28, height: 28, payload: sample.pixels))
        let audioFeatures = try audio.features(of: RawReading(modality: "audio", format: "audio/wav", payload: sample.wave))
        return MomentInput(
            text: sample.text.utf8.map(Int.init), senses: ["image": SenseInput(imageFeatures), "audio": SenseInput(audioFeatures)],
            label: sample.label,
            classes: 10)
    }

    /// All of them.
    /// - Parameter dropping: leaves out what the column `drop` names.
    func moments(dropping: Bool = false) throws -> [MomentInput] {
        try samples.map { dropping ? try moment($0).leaving(out: [$0.drop]) : try moment($0) }
    }
}

extension SenseInput {
    init(_ features: Features) {
        self.init(rows: features.rows, columns: features.columns, values: features.values, validity: features.validity)
    }
}

extension MomentInput {
    func leaving(out modalities: Set<String>) -> MomentInput {
        var moment = self
        for modality in modalities { moment.senses[modality] = nil }
        if modalities.contains(MultimodalConfiguration.textName) { moment.text = [] }
        return moment
    }

    func keeping(only modality: String) -> MomentInput {
        leaving(out: Set(AV3MNISTData.modalities).subtracting([modality]))
    }
}
