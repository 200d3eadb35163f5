import FilesTesting
import Foundation
import Safetensors
import Senses
import Signals
import Statistics
import Testing

private let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL
private let file = root.appending(path: "models/\(EfficientNetLite.fileName)").path

@Suite(
    .enabled(
        if: FileManager.default.fileExists(atPath: file) || nothingMayBeMissing,
        "models/efficientnet-lite0.safetensors (deploy/models senses) is absent"))
struct EfficientNetLiteTests {
    /// A picture that is computed.
    private var picture: [Float] {
        (0..<224 * 224 * 3).map { i in
            let (x, y, c) = (i / 3 % 224, i / 672, i % 3)
            return (Float((x * 3 + y * 5 + c * 70 + x * y % 37) % 256) - 127) / 128
        }
    }

    private func isNear(_ a: Float, _ b: Float, _ tolerance: Float = 1e-3) -> Bool { abs(a - b) <= tolerance * max(1, abs(b)) }

    /// Numbers of PyTorch with the original file.
    @Test func featuresAndClassesAreThoseOfTheReference() throws {
        let network = try EfficientNetLite(path: file)
        let features = try network.features(of: picture)
        let norm = features.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        #expect(abs(norm - 186.949457) < 1e-3)
        for (row, sum) in [(0, 172.309649), (24, 140.620550), (48, 196.137676)] as [(Int, Float)] {
            #expect(isNear(features[row * 1280..<row * 1280 + 1280].reduce(0, +), sum))
        }
        #expect(isNear(features[24 * 1280 + 100], 2.204638) && isNear(features[24 * 1280 + 107], 0.126629))
        let pooled = EfficientNetLite.pooled(features)
        #expect(isNear(pooled[7], 1.222650) && isNear(pooled.reduce(0, +), 244.764840))
        let probabilities = network.probabilities(of: features)
        let best = probabilities.indices.sorted { probabilities[$0] > probabilities[$1] }.prefix(5)
        #expect(Array(best) == [794, 109, 906, 506, 858])
        for (index, expected) in zip(best, [0.291179, 0.075181, 0.058157, 0.038131, 0.033301] as [Float]) {
            #expect(abs(probabilities[index] - expected) < 1e-3)
        }
    }

    @Test func featuresDoNotDependOnThreads() throws {
        #expect(try EfficientNetLite(path: file, threads: 3).features(of: picture) == EfficientNetLite(path: file).features(of: picture))
    }

    @Test func aPictureOfTheGraphBecomesItsFeatures() throws {
        var configuration = SignalConfiguration()
        (configuration.image.frontend, configuration.image.weights) = (EfficientNetLite.name, file)
        #expect(
            ImageModality.shape(in: configuration) == FeatureShape(rows: 49, columns: 1280, settings: "image (frontend efficientnet-lite0)")
        )
        let frontend = try frontend(for: "image", configuration)
        let bytes = (0..<40 * 30 * 3).map { UInt8($0 * 7 % 251) }
        let reading = RawReading(modality: "image", format: "image/x-rgb8", width: 40, height: 30, channels: 3, payload: bytes)
        let features = try frontend.features(of: reading)
        #expect(features.rows == 49 && features.columns == 1280 && features.version >= 1 << 31 && features.validity > 0)
        let pixels = Pixels(width: 40, height: 30, channels: 3, bytes: bytes)
        #expect(try features.values == pixels.features(EfficientNetLite(path: file)).values)
    }
}

/// What does not need the real file.
@Suite struct NetworkFilesTests {
    private let folder = Folder()

    @Test func anAbsentFileSaysHowToGetIt() {
        let path = folder.path("none.safetensors")
        let expected = "\(path) does not exist; 'deploy/models senses' downloads it"
        #expect { try EfficientNetLite(path: path) } throws: { "\($0)" == expected }
        var configuration = SignalConfiguration()
        (configuration.image.frontend, configuration.image.weights) = (EfficientNetLite.name, path)
        #expect(throws: SettingsError("image.frontend", expected)) { try frontend(for: "image", configuration) }
    }

    @Test func anUnknownFrontendIsNamed() {
        var configuration = SignalConfiguration()
        configuration.image.frontend = "eyes"
        #expect(
            configuration.problems.map(\.description) == [
                "setting 'image.frontend': is 'eyes', not one of patches, outside, \(imageFrontends.names)"
            ])
        configuration.image.frontend = ImageModality.outside
        #expect(configuration.problems == [] && ImageModality.shape(in: configuration) == nil)
        #expect { try frontend(for: "image", configuration) } throws: { "\($0)".contains("a process of the user's") }
    }

    @Test func aFileOfOtherShapesOrNumbersIsRefused() throws {
        let path = folder.path("wrong.safetensors")
        try Data([1, 2, 3]).write(to: URL(filePath: path))
        #expect(throws: SensesError.self) { try EfficientNetLite(path: path) }
        try TensorArchive.write([TensorContent(name: "stem.weight", shape: [2], floats: [1, 2])], to: path)
        #expect { try EfficientNetLite(path: path) } throws: { "\($0)".contains("stem.weight") }
        let broken = [Float](repeating: .nan, count: 864)
        try TensorArchive.write([TensorContent(name: "stem.weight", shape: [32, 3, 3, 3], floats: broken)], to: path)
        #expect { try EfficientNetLite(path: path) } throws: { "\($0)".contains("not finite") }
    }

    @Test func everyFrontendIsListedUnderItsOwnName() {
        for (name, type) in imageFrontends { #expect(type.name == name && type.input.count == 3 && type.output.count == 2) }
    }
}

/// What a network sees of a picture.
@Suite struct CentralSquareTests {
    @Test func theMiddleIsTakenInThreeChannels() {
        let grey = Pixels(width: 5, height: 3, channels: 1, bytes: [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24])
        #expect(grey.centralSquare(side: 3, share: 1) == [1, 2, 3, 11, 12, 13, 21, 22, 23].flatMap { [$0, $0, $0] })
        #expect(grey.centralSquare(side: 1, share: 0.4) == [12, 12, 12])
        let colour = Pixels(width: 1, height: 2, channels: 3, bytes: [1, 2, 3, 4, 5, 6])
        #expect(colour.centralSquare(side: 1, share: 0.1) == [1, 2, 3])
    }

    @Test func aFileThatIsNoPictureIsRefused() {
        #expect(throws: SignalRefusal(.undecodable, "neither a JPEG nor a PNG file")) { try Pixels(ofFile: [1, 2, 3], maximumPixels: 100) }
        #expect(throws: SignalRefusal.self) { try Pixels(ofFile: [0xFF, 0xD8, 0xFF, 0], maximumPixels: 100) }
    }
}
