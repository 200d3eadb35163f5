import FilesTesting
import Foundation
import Testing
@testable import Signals

/// Handwritten and spoken digits, if the shared data sets are present.
private let data = URL(filePath: SharedData.path("data/av3mnist"))

@Suite(.enabled(if: SharedData.isWanted("data/av3mnist"), "../shared/data/av3mnist is absent"))
struct RealDataTests {
    @Test func aDigitKeepsItsInk() throws {
        let images = Array(try Data(contentsOf: data.appendingPathComponent("images-idx3-ubyte")).dropFirst(16).prefix(784 * 20))
        let modality = try ImageModality(SignalConfiguration())
        for number in 0..<20 {
            let digit = Array(images[number * 784..<(number + 1) * 784])
            let features = try modality.features(
                of: RawReading(modality: "image", format: "image/x-gray8", width: 28, height: 28, payload: digit))
            let before = digit.reduce(0.0) { $0 + Double($1) } / 784 / 255
            let after = features.values.reduce(0.0) { $0 + Double($1) } / Double(features.values.count)
            #expect(abs(after - before) < 0.02 * before, "digit \(number)")
            #expect(features.validity == 1)
        }
    }

    @Test func aSpokenDigitIsThirtyTwoRowsOfThirtyTwoBands() throws {
        let modality = try AudioModality(SignalConfiguration())
        for number in 0..<20 {
            let name = "audio/" + String(repeating: "0", count: number < 10 ? 4 : 3) + "\(number).wav"
            let payload = Array(try Data(contentsOf: data.appendingPathComponent(name)))
            let features = try modality.features(of: RawReading(modality: "audio", format: "audio/wav", payload: payload))
            #expect(features.rows == 32 && features.columns == 32 && features.duration == 640_000_000 && features.validity == 1)
            #expect(abs(features.values.reduce(0, +)) < 0.1)
            #expect(abs(features.values.reduce(0) { $0 + $1 * $1 } / 1024 - 1) < 1e-3)
        }
    }
}
