/// Changes the sample rate of a sound that comes piece by piece: its pieces together are the whole sound, resampled.
struct StreamResampler: Sendable {
    /// In hertz.
    let source: Int
    private let resampler: Resampler
    /// Samples after which the phase of the filter is the same again, and the samples that they become.
    private let step: Int, phases: Int
    /// The samples on both sides that a sample depends on.
    private let reach: Int
    private var samples: [Float] = []
    /// The number of samples before those that have not been resampled.
    private var done = 0

    init(from source: Int, to target: Int) {
        self.source = source
        resampler = Resampler(target: target)
        (step, phases) = resampler.period(from: source)
        reach = resampler.reach(from: source)
    }

    /// What can be resampled after another piece.
    mutating func add(_ piece: [Float]) -> [Float] {
        guard step != phases else { return piece }
        samples += piece
        let known = max(done, (samples.count - reach) / step * step)
        guard known > done else { return [] }
        return take(until: known)
    }

    /// The end of the sound, after which silence is assumed.
    mutating func finish() -> [Float] {
        guard step != phases, samples.count > done else { return [] }
        return take(until: samples.count)
    }

    private mutating func take(until end: Int) -> [Float] {
        let all = resampler(Waveform(samples: samples, sampleRate: source)).samples
        let result = Array(all[done / step * phases..<min(all.count, (end * phases + step - 1) / step)])
        let kept = (reach + step - 1) / step * step
        let dropped = max(0, end / step * step - kept)
        samples.removeFirst(dropped)
        done = end / step * step - dropped
        return result
    }
}
