import Foundation
import Statistics

/// The sound that indicates an object: a decaying note with noise. Its pitch depends on the object's place, its timbre on the speaker.
struct TableSounds {
    static let sampleRate = 8_000
    static let seconds = 0.32

    /// The pitch of a place, in hertz: low for left (0), high for right (1).
    static func pitch(place: Int, speaker: Int) -> Double { (place == 0 ? 400 : 1_000) * (speaker == 0 ? 1 : 1.25) }

    /// The pitch of a place for a user: it differs by up to a sixth of an octave, and for users of odd number low means right.
    static func pitch(place: Int, speaker: Int, user: Int) -> Double {
        guard user > 0 else { return pitch(place: place, speaker: speaker) }
        return pitch(place: user.isMultiple(of: 2) ? place : 1 - place, speaker: speaker) * pow(2, Double(user * 7 % 11 - 5) / 30)
    }

    /// The amplitudes of the harmonics 1, 2 and 3.
    private static func timbre(speaker: Int) -> [Double] { speaker == 0 ? [1, 0.3, 0.1] : [1, 0.1, 0.5] }

    static func sound(of scene: Scene, speaker: Int, user: Int = 0, random: inout RandomSource) -> Waveform {
        let pitch = pitch(place: scene.meant, speaker: speaker, user: user) * random.uniform(in: 0.97..<1.03)
        let timbre = timbre(speaker: speaker)
        let loudness = random.uniform(in: 0.1..<0.3)
        let phase = random.uniform(in: 0..<2 * Double.pi)
        let samples = (0..<Int(seconds * Double(sampleRate))).map { index in
            let time = Double(index) / Double(sampleRate)
            let note = timbre.indices.reduce(0) { sum, overtone in
                sum + timbre[overtone] * sin((2 * Double.pi * pitch * time + phase) * Double(overtone + 1))
            }
            return Float(loudness * note * exp(-6 * time) * min(1, time / 0.01) + 0.005 * random.normal())
        }
        return Waveform(samples: samples, sampleRate: sampleRate)
    }
}
