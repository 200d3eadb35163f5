/// A mono sound: samples in −1…1.
public struct Waveform: Sendable, Equatable {
    public var samples: [Float]
    /// Hertz.
    public var sampleRate: Int

    public init(samples: [Float], sampleRate: Int) {
        precondition(sampleRate > 0, "a sample rate of \(sampleRate)")
        self.samples = samples
        self.sampleRate = sampleRate
    }

    /// The duration in nanoseconds.
    public var duration: Int64 { Int64(samples.count) * 1_000_000_000 / Int64(sampleRate) }

    /// The mean of interleaved channels.
    init(interleaved: [Float], channels: Int, sampleRate: Int) {
        let mixed =
            channels == 1
            ? interleaved
            : stride(from: 0, to: interleaved.count, by: channels).map { start in
                interleaved[start..<start + channels].reduce(0, +) / Float(channels)
            }
        self.init(samples: mixed, sampleRate: sampleRate)
    }
}

/// The limits of a sound, checked against its header before it is decoded.
struct SoundLimits {
    let sampleRates = 1_000...192_000
    let channels = 1...8
    let maximumSeconds: Double

    func check(frames: Int, channels: Int, sampleRate: Int) throws(SignalRefusal) {
        guard frames > 0 else { throw SignalRefusal(.empty, "a sound without samples") }
        guard sampleRates.contains(sampleRate) else {
            throw SignalRefusal(.wrongShape, "\(sampleRate) Hz, not within \(sampleRates.lowerBound)…\(sampleRates.upperBound)")
        }
        guard self.channels.contains(channels) else {
            throw SignalRefusal(.wrongShape, "\(channels) channels, at most \(self.channels.upperBound)")
        }
        guard Double(frames) <= maximumSeconds * Double(sampleRate) else {
            throw SignalRefusal(
                .tooLarge, "\(Double(frames) / Double(sampleRate)) seconds, at most \(maximumSeconds) (audio.maximumSeconds)")
        }
    }
}
