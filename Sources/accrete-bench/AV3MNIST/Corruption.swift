import Foundation
import Signals
import Statistics

/// Disturbances of a sense, with levels from none to the strongest.
struct Corruption {
    enum Kind: String, CaseIterable {
        case imageNoise, audioNoise, textNoise, imageDelay, audioDelay, textDelay

        var modality: String { rawValue.hasPrefix("image") ? "image" : rawValue.hasPrefix("audio") ? "audio" : "text" }

        /// What a level counts.
        var unit: String {
            switch self {
            case .imageNoise: "noise on every pixel, deviation, white = 1"
            case .audioNoise: "white noise added to the sound, in decibels relative to it"
            case .textNoise: "share of letters replaced"
            case .imageDelay, .audioDelay, .textDelay: "mean delay, seconds"
            }
        }

        var levels: [Double] {
            switch self {
            case .imageNoise: [0, 0.1, 0.2, 0.4, 0.8]
            case .audioNoise: [-30, -20, -10, 0, 10]
            case .textNoise: [0, 0.1, 0.2, 0.4, 0.8]
            case .imageDelay, .audioDelay, .textDelay: [0, 0.2, 0.5, 1, 2]
            }
        }
    }

    let kind: Kind
    let level: Double

    /// The sample as it arrives, and the senses that come too late for it: a delay is exponential, and a moment ends with its period.
    func apply(to sample: AV3MNISTData.Sample, random: inout RandomSource) -> (sample: AV3MNISTData.Sample, late: Set<String>) {
        var changed = sample
        switch kind {
        case .imageNoise:
            changed.pixels = sample.pixels.map { UInt8(max(0, min(255, (Double($0) + 255 * level * random.normal()).rounded()))) }
        case .audioNoise:
            changed.wave = noisy(sample.wave, &random)
        case .textNoise:
            let letters = Array("abcdefghijklmnopqrstuvwxyz")
            changed.text = String(sample.text.map { $0 != " " && random.uniform() < level ? letters[random.uniform(below: 26)] : $0 })
        case .imageDelay, .audioDelay, .textDelay:
            let delay = -level * log(1 - random.uniform())
            if (sample.arrivals[kind.modality] ?? 0) + delay > AV3MNISTData.period { return (sample, [kind.modality]) }
        }
        return (changed, [])
    }

    /// A WAV file of 16 bits after its 44 bytes of header; the noise's level is that of the sound and `level` decibels.
    private func noisy(_ wave: [UInt8], _ random: inout RandomSource) -> [UInt8] {
        guard level > -30 else { return wave }
        var bytes = wave
        let places = stride(from: 44, to: wave.count - 1, by: 2)
        let samples = places.map { Double(Int16(bitPattern: UInt16(wave[$0]) | UInt16(wave[$0 + 1]) << 8)) }
        let strength = (samples.reduce(0) { $0 + $1 * $1 } / Double(max(1, samples.count))).squareRoot() * pow(10, level / 20)
        for (place, sample) in zip(places, samples) {
            let value = UInt16(bitPattern: Int16(max(-32768, min(32767, (sample + strength * random.normal()).rounded()))))
            (bytes[place], bytes[place + 1]) = (UInt8(value & 255), UInt8(value >> 8))
        }
        return bytes
    }
}
