import Foundation

/// Changes the sample rate with a Hann-windowed sinc filter, whose cutoff is the lower of the two Nyquist frequencies:
///
///     y[n] = Σ_k x[k] · c · sinc(c · (n·r − k)) · cos²(π (n·r − k) / 2h),   |n·r − k| < h
///     h = zeros / c,   c = min(1, 1 / r),   r = from / to
///
/// The weights of output n depend only on n modulo to / gcd(from, to); those of each such phase are computed once and normalised to sum 1.
/// https://ccrma.stanford.edu/~jos/resample/
struct Resampler {
    private let zeros = 16.0
    let target: Int

    /// The samples after which the weights are the same again, and the samples that they become.
    func period(from source: Int) -> (step: Int, phases: Int) {
        let divisor = greatestCommonDivisor(source, target)
        return (source / divisor, target / divisor)
    }

    /// The number of samples on both sides that a new one depends on.
    func reach(from source: Int) -> Int { Int((zeros / min(1, Double(target) / Double(source))).rounded(.up)) }

    func callAsFunction(_ waveform: Waveform) -> Waveform {
        let source = waveform.sampleRate
        guard source != target else { return waveform }
        let (step, phases) = period(from: source)
        let count = waveform.samples.count * target / source
        let ratio = Double(source) / Double(target)
        let cutoff = min(1, 1 / ratio)
        let half = zeros / cutoff
        let reach = reach(from: source)
        let kernels = (0..<min(phases, count)).map { phase in
            kernel(fraction: Double(phase * step % phases) / Double(phases), cutoff: cutoff, half: half, reach: reach)
        }
        let samples = (0..<count).map { n in
            let centre = n * step / phases
            let kernel = kernels[n % phases]
            var sum: Float = 0
            for k in max(0, centre - reach)..<min(waveform.samples.count, centre + reach + 1) {
                sum += waveform.samples[k] * kernel[k - centre + reach]
            }
            return sum
        }
        return Waveform(samples: samples, sampleRate: target)
    }

    /// The weights of the samples at −reach…reach around the integer part of a position.
    private func kernel(fraction: Double, cutoff: Double, half: Double, reach: Int) -> [Float] {
        let weights = (-reach...reach).map { offset in
            let distance = fraction - Double(offset)
            guard abs(distance) < half else { return 0.0 }
            let angle = Double.pi * cutoff * distance
            let window = cos(Double.pi * distance / (2 * half))
            return (angle == 0 ? 1 : sin(angle) / angle) * window * window
        }
        let sum = weights.reduce(0, +)
        return weights.map { Float($0 / sum) }
    }

    private func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestCommonDivisor(b, a % b) }
}
