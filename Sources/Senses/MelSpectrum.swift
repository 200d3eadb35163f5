import Foundation

/// Whisper's spectrum of 30 seconds: 80 bands on Slaney's mel scale of windows of 25 ms, every 10 ms, in decades below the loudest.
///
///     y = (max(log₁₀ max(energy, 10⁻¹⁰), peak − 8) + 4) / 4
struct MelSpectrum: Sendable {
    static let bands = 80, frames = 3_000
    private static let window = 400, hop = 160, bins = 201
    /// Frames that are computed together.
    private static let block = 48
    /// The level of silence.
    private static let silence: Float = -10
    private let waves: PackedMatrix
    private let triangles: PackedMatrix

    init() {
        let (window, bins) = (Self.window, Self.bins)
        var waves: [Float] = []
        waves.reserveCapacity(2 * bins * window)
        let turns = (0..<window).map { 2 * Double.pi * Double($0) / Double(window) }
        let hann = turns.map { 0.5 - 0.5 * cos($0) }
        for table in [turns.map { cos($0) }, turns.map { sin($0) }] {
            for bin in 0..<bins {
                for n in 0..<window { waves.append(Float(hann[n] * table[bin * n % window])) }
            }
        }
        self.waves = PackedMatrix(waves, bias: [Float](repeating: 0, count: 2 * bins))
        let highest = Self.mel(8_000), edges = (0..<Self.bands + 2).map { Self.hertz(highest * Double($0) / Double(Self.bands + 1)) }
        var triangles: [Float] = []
        for band in 0..<Self.bands {
            let (low, centre, high) = (edges[band], edges[band + 1], edges[band + 2])
            for bin in 0..<bins {
                let f = Double(bin) * Double(Whisper.sampleRate) / Double(window)
                triangles.append(Float(max(0, min((f - low) / (centre - low), (high - f) / (high - centre))) * 2 / (high - low)))
            }
        }
        self.triangles = PackedMatrix(triangles, bias: [Float](repeating: 0, count: Self.bands))
    }

    /// Linear below 1,000 Hz, logarithmic above.
    private static func mel(_ hertz: Double) -> Double { hertz < 1_000 ? hertz * 3 / 200 : 15 + log(hertz / 1_000) * 27 / log(6.4) }
    private static func hertz(_ mel: Double) -> Double { mel < 15 ? mel * 200 / 3 : 1_000 * exp((mel - 15) * log(6.4) / 27) }

    /// At most 480,000 samples, to (3000, 80); what is missing is silence, whose frames are known without computing.
    func callAsFunction(_ samples: [Float], into levels: UnsafeMutablePointer<Float>, threads: Int) {
        let (hop, bins, bands, frames) = (Self.hop, Self.bins, Self.bands, Self.frames), half = Self.window / 2, length = frames * hop
        precondition(samples.count <= length, "\(samples.count) samples, at most \(length)")
        let sound = NumberMemory(length + 2 * half)
        for (i, sample) in samples.enumerated() { sound.pointer[half + i] = sample }
        for i in 1...half {
            sound.pointer[half - i] = sound.pointer[half + i]
            sound.pointer[half + length - 1 + i] = sound.pointer[half + length - 1 - i]
        }
        let filled = samples.isEmpty ? 0 : min(frames, (samples.count + half + hop - 1) / hop)
        (levels + filled * bands).update(repeating: Self.silence, count: (frames - filled) * bands)
        takeTurns(filled, by: Self.block, among: threads) { _, block in
            let parts = NumberMemory(block.count * 2 * bins), power = NumberMemory(block.count * bins)
            waves.multiply(sound.pointer + block.lowerBound * hop, stride: hop, rows: block.count, into: parts.pointer)
            for row in 0..<block.count {
                let (real, imaginary) = (parts.pointer + row * 2 * bins, parts.pointer + (row * 2 + 1) * bins)
                for bin in 0..<bins { power.pointer[row * bins + bin] = real[bin] * real[bin] + imaginary[bin] * imaginary[bin] }
            }
            let own = levels + block.lowerBound * bands
            triangles.multiply(power.pointer, rows: block.count, into: own)
            for i in 0..<block.count * bands { own[i] = log10(max(own[i], 1e-10)) }
        }
        var peak = Self.silence
        for i in 0..<frames * bands { peak = max(peak, levels[i]) }
        let floor = peak - 8
        for i in 0..<frames * bands { levels[i] = (max(levels[i], floor) + 4) / 4 }
    }
}
