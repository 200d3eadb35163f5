import ArgumentParser
import Files
import Signals

/// A spoken question, and the silence after it.
struct SpokenQuestion {
    let samples: [Float]
    let rate: Int
    /// 64 ms.
    private static let piece = 0.064

    init(path: String) throws {
        let reading = RawReading(modality: "audio", format: "audio/wav", payload: try readFile(path, atMost: 1 << 26))
        let waveform = try AudioModality(SignalConfiguration()).waveform(of: reading)
        let loudest = waveform.samples.reduce(0) { max($0, abs($1)) }
        let end = (waveform.samples.lastIndex { abs($0) > loudest / 50 } ?? -1) + 1
        guard end > 0 else { throw ValidationError("\(path) is silent") }
        (samples, rate) = (Array(waveform.samples[..<end]), waveform.sampleRate)
    }

    private var pieceCount: Int { max(1, Int(Double(rate) * Self.piece)) }
    var silence: [Float] { [Float](repeating: 0, count: pieceCount) }

    /// Sends it as it would be recorded, after half a second of silence; when its last sample was sent, in monotonic seconds.
    func play(to graph: LiveGraph) async throws -> Double {
        for _ in 0..<8 { try await graph.send(silence, rate: rate) }
        for begin in stride(from: 0, to: samples.count, by: pieceCount) {
            try await graph.send(Array(samples[begin..<min(samples.count, begin + pieceCount)]), rate: rate)
        }
        return monotonicSeconds()
    }
}
