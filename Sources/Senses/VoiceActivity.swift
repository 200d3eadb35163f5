import Foundation
import Safetensors

/// Silero VAD at 16 kHz: the probability that somebody speaks, for every 512 samples in order.
/// https://github.com/snakers4/silero-vad
///
/// A spectrum of 4 windows, four convolutions over time, a recurrent layer that remembers what came before, and a logistic output.
public struct VoiceActivity: Sendable {
    /// The name of its file in the directory of models.
    public static let fileName = "silero-vad-16k.safetensors"
    /// In hertz.
    public static let sampleRate = 16_000
    /// The number of samples of a frame.
    public static let frame = 512

    /// The samples before a frame that its spectrum includes, and those mirrored after it.
    private static let context = 64
    private static let window = 256, hop = 128, bands = 129, windows = 4
    private static let units = 128
    /// The number of frames whose convolutions are computed at once.
    private static let frames = 64

    private let network: Network
    private var hidden = [Float](repeating: 0, count: Self.units)
    private var cell = [Float](repeating: 0, count: Self.units)
    private var before = [Float](repeating: 0, count: Self.context)

    /// The SHA-256 digest of its file in hexadecimal.
    public var digest: String { network.digest }

    /// Reads the network's file.
    /// - Throws: `SensesError`.
    public init(path: String) throws(SensesError) { network = try Network(path) }

    /// Returns to the state before the first sample.
    public mutating func reset() {
        hidden = [Float](repeating: 0, count: Self.units)
        cell = hidden
        before = [Float](repeating: 0, count: Self.context)
    }

    /// The probability of speech for every frame of some samples, which continue those of the call before.
    /// - Parameter samples: finite numbers, −1…1 at full scale; the last frame is filled with zeros.
    /// - Throws: `SensesError` if a probability is not finite.
    public mutating func probabilities(of samples: [Float]) throws(SensesError) -> [Float] {
        let count = (samples.count + Self.frame - 1) / Self.frame
        var probabilities: [Float] = []
        probabilities.reserveCapacity(count)
        for first in stride(from: 0, to: count, by: Self.frames) {
            let block = min(Self.frames, count - first)
            var sound = before + samples[first * Self.frame..<min(samples.count, (first + block) * Self.frame)]
            sound += [Float](repeating: 0, count: Self.context + block * Self.frame - sound.count)
            before = Array(sound.suffix(Self.context))
            let rows = network.rows(sound, frames: block)
            for row in 0..<block {
                network.remember(rows[row * Self.units..<(row + 1) * Self.units], &hidden, &cell)
                probabilities.append(network.probability(hidden))
            }
        }
        guard probabilities.allSatisfy(\.isFinite) else { throw SensesError("silero-vad: a probability is not finite") }
        return probabilities
    }

    /// The weights, and the layers that do not depend on earlier samples.
    private final class Network: Sendable {
        let digest: String
        private let spectrum: PackedMatrix
        private let convolutions: [Convolution]
        private let input: PackedMatrix, recurrent: PackedMatrix, output: PackedMatrix

        init(_ path: String) throws(SensesError) {
            let (archive, digest) = try openWeights(path)
            self.digest = digest
            let (units, bands) = (VoiceActivity.units, VoiceActivity.bands)
            spectrum = PackedMatrix(
                try archive.numbers("stft_conv.weight", [2 * bands, 1, VoiceActivity.window]),
                bias: [Float](repeating: 0, count: 2 * bands))
            convolutions = [
                try Convolution("conv1", bands, units, stride: 1, of: archive), try Convolution("conv2", units, 64, stride: 2, of: archive),
                try Convolution("conv3", 64, 64, stride: 2, of: archive), try Convolution("conv4", 64, units, stride: 1, of: archive),
            ]
            input = PackedMatrix(
                try archive.numbers("lstm_cell.weight_ih", [4 * units, units]), bias: try archive.numbers("lstm_cell.bias_ih", [4 * units]))
            recurrent = PackedMatrix(
                try archive.numbers("lstm_cell.weight_hh", [4 * units, units]), bias: try archive.numbers("lstm_cell.bias_hh", [4 * units]))
            output = PackedMatrix(
                try archive.numbers("final_conv.weight", [1, units, 1]), bias: try archive.numbers("final_conv.bias", [1]))
        }

        /// What the recurrent layer reads of every frame, (frames, 128).
        /// - Parameter sound: the context, then the frames.
        func rows(_ sound: [Float], frames: Int) -> [Float] {
            let (context, samples) = (VoiceActivity.context, VoiceActivity.frame), (window, hop) = (VoiceActivity.window, VoiceActivity.hop)
            var windows: [Float] = []
            windows.reserveCapacity(frames * VoiceActivity.windows * window)
            for frame in 0..<frames {
                let start = frame * samples, end = start + context + samples
                let mirrored = (1...context).map { sound[end - 1 - $0] }
                let padded = Array(sound[start..<end]) + mirrored
                for place in 0..<VoiceActivity.windows {
                    windows += padded[place * hop..<place * hop + window]
                }
            }
            let rows = frames * VoiceActivity.windows, bands = VoiceActivity.bands
            var parts = [Float](repeating: 0, count: rows * 2 * bands)
            spectrum.multiply(windows, rows: rows, into: &parts, threads: 1)
            var x = [Float](repeating: 0, count: rows * bands)
            for row in 0..<rows {
                for band in 0..<bands {
                    let (real, imaginary) = (parts[row * 2 * bands + band], parts[row * 2 * bands + bands + band])
                    x[row * bands + band] = (real * real + imaginary * imaginary).squareRoot()
                }
            }
            var length = VoiceActivity.windows
            for convolution in convolutions { x = convolution(x, frames: frames, length: &length) }
            return x
        }

        /// One step of the LSTM, whose gates are input, forget, cell, output.
        func remember(_ x: ArraySlice<Float>, _ hidden: inout [Float], _ cell: inout [Float]) {
            let units = VoiceActivity.units
            var gates = [Float](repeating: 0, count: 4 * units)
            var sum = gates
            input.multiply(Array(x), rows: 1, into: &gates, threads: 1)
            gates.withUnsafeBufferPointer { recurrent.multiply(hidden, rows: 1, adding: $0.baseAddress, into: &sum, threads: 1) }
            for u in 0..<units {
                cell[u] = logistic(sum[units + u]) * cell[u] + logistic(sum[u]) * tanh(sum[2 * units + u])
                hidden[u] = logistic(sum[3 * units + u]) * tanh(cell[u])
            }
        }

        func probability(_ hidden: [Float]) -> Float {
            var y: Float = 0
            output.multiply(hidden.map { max(0, $0) }, rows: 1, into: &y, threads: 1)
            return logistic(y)
        }
    }

    /// Three taps over time with a zero at each end, then max(0, ·).
    private struct Convolution: Sendable {
        let matrix: PackedMatrix
        let channels: Int
        let step: Int

        /// Weights are stored as (N, channels, 3).
        init(_ name: String, _ channels: Int, _ N: Int, stride: Int, of archive: TensorArchive) throws(SensesError) {
            (self.channels, step) = (channels, stride)
            let weight = try archive.numbers("\(name).weight", [N, channels, 3])
            let byTap = (0..<N).flatMap { n in
                (0..<3).flatMap { tap in (0..<channels).map { weight[(n * channels + $0) * 3 + tap] } }
            }
            matrix = PackedMatrix(byTap, bias: try archive.numbers("\(name).bias", [N]))
        }

        /// (frames, length, channels) → (frames, new length, N)
        func callAsFunction(_ x: [Float], frames: Int, length: inout Int) -> [Float] {
            let shorter = (length - 1) / step + 1
            var taps = [Float](repeating: 0, count: frames * shorter * 3 * channels)
            for row in 0..<frames * shorter {
                for tap in 0..<3 {
                    let place = row % shorter * step + tap - 1
                    guard (0..<length).contains(place) else { continue }
                    let (from, to) = ((row / shorter * length + place) * channels, (row * 3 + tap) * channels)
                    for c in 0..<channels { taps[to + c] = x[from + c] }
                }
            }
            var y = [Float](repeating: 0, count: frames * shorter * matrix.N)
            matrix.multiply(taps, rows: frames * shorter, into: &y, threads: 1)
            for i in y.indices { y[i] = max(0, y[i]) }
            length = shorter
            return y
        }
    }
}

/// 1 / (1 + e⁻ˣ)
private func logistic(_ x: Float) -> Float { 1 / (1 + exp(-x)) }
