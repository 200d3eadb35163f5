import CVector
import Foundation

/// The log-mel spectrogram: frames of `window` samples every `hop`, under a periodic Hann window, zero-padded at the end;
///
///     ln(power · M + 10⁻⁶),   power = |DFT(frame)|²
///
/// with the matrix M of triangular filters of height 1, evenly spaced on the mel scale 2595 log₁₀(1 + f / 700) between two frequencies.
/// `pooled` neighbouring frames are averaged. The DFT is computed as a product with a matrix of windowed cosines and sines.
struct LogMel: Sendable {
    let window: Int
    let hop: Int
    let bands: Int
    let pooled: Int
    private let bins: Int
    /// (window, 2 · bins): cosines, then sines.
    private let transform: [Float]
    /// (bins, bands)
    private let triangles: [Float]

    init(window: Int, hop: Int, bands: Int, pooled: Int, lowest: Double, highest: Double, sampleRate: Int) {
        self.window = window
        self.hop = hop
        self.bands = bands
        self.pooled = pooled
        let bins = window / 2 + 1
        self.bins = bins
        transform = (0..<window).flatMap { n in
            let hann = 0.5 - 0.5 * cos(2 * Double.pi * Double(n) / Double(window))
            let angles = (0..<bins).map { 2 * Double.pi * Double($0 * n % window) / Double(window) }
            return angles.map { Float(hann * cos($0)) } + angles.map { Float(hann * sin($0)) }
        }
        let edges = Self.edges(bands: bands, lowest: lowest, highest: highest)
        triangles = (0..<bins).flatMap { bin in
            let frequency = Double(bin) * Double(sampleRate) / Double(window)
            return (0..<bands).map { band in
                let rise = (frequency - edges[band]) / (edges[band + 1] - edges[band])
                let fall = (edges[band + 2] - frequency) / (edges[band + 2] - edges[band + 1])
                return Float(max(0, min(rise, fall)))
            }
        }
    }

    /// The bands + 2 edge frequencies; the filter of band b rises from edge b to b + 1 and falls to b + 2.
    private static func edges(bands: Int, lowest: Double, highest: Double) -> [Double] {
        func mel(_ frequency: Double) -> Double { 2595 * log10(1 + frequency / 700) }
        return (0..<bands + 2).map { index in
            let place = mel(lowest) + (mel(highest) - mel(lowest)) * Double(index) / Double(bands + 1)
            return 700 * (pow(10, place / 2595) - 1)
        }
    }

    /// The number of rows for `count` samples.
    func rows(samples count: Int) -> Int { ((count + hop - 1) / hop + pooled - 1) / pooled }

    /// Computes the spectrogram, (rows, bands), not normalised.
    /// - Parameters:
    ///   - samples: the samples, divided by 2 to the power `exponent`.
    ///   - exponent: 10⁻⁶ is scaled with the power of the samples, so that the scaling changes all levels by the same constant.
    func callAsFunction(_ samples: [Float], exponent: Int = 0) -> [Float] {
        let frames = (samples.count + hop - 1) / hop
        var cut = [Float](repeating: 0, count: frames * window)
        for frame in 0..<frames {
            for n in 0..<min(window, samples.count - frame * hop) { cut[frame * window + n] = samples[frame * hop + n] }
        }
        let spectrum = product(cut, transform, rows: frames, inner: window, columns: 2 * bins)
        var power = [Float](repeating: 0, count: frames * bins)
        for frame in 0..<frames {
            for bin in 0..<bins {
                let real = spectrum[frame * 2 * bins + bin]
                let imaginary = spectrum[(frame * 2 + 1) * bins + bin]
                power[frame * bins + bin] = real * real + imaginary * imaginary
            }
        }
        let energies = product(power, triangles, rows: frames, inner: bins, columns: bands)
        let floor = scalbn(1e-6, -2 * exponent)
        return pool(energies.map { exponent == 0 ? log($0 + 1e-6) : Float(log(Double($0) + floor)) }, frames: frames)
    }

    private func pool(_ levels: [Float], frames: Int) -> [Float] {
        guard pooled > 1 else { return levels }
        return stride(from: 0, to: frames, by: pooled).flatMap { first in
            let members = first..<min(frames, first + pooled)
            return (0..<bands).map { band in
                Float(members.reduce(0.0) { $0 + Double(levels[$1 * bands + band]) } / Double(members.count))
            }
        }
    }

    /// a (rows, inner) · b (inner, columns). Products are added in the order of `inner` with one rounding each, so the result is the same
    /// to the bit on every processor.
    private func product(_ a: [Float], _ b: [Float], rows: Int, inner: Int, columns: Int) -> [Float] {
        var result = [Float](repeating: 0, count: rows * columns)
        #if arch(x86_64)
            if inner <= Int(CVectorDeepestProduct), CVectorHasAVX2() != 0 {
                CVectorProductAVX2(a, inner, 1, b, columns, 1, &result, columns, rows, columns, inner, 1, 0)
                return result
            }
        #endif
        result.withUnsafeMutableBufferPointer { result in
            for row in 0..<rows {
                for k in 0..<inner {
                    let factor = a[row * inner + k]
                    for column in 0..<columns {
                        result[row * columns + column].addProduct(factor, b[k * columns + column])
                    }
                }
            }
        }
        return result
    }
}
