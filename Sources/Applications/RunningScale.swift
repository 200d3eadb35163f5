import Statistics

/// Inputs less their running means, in parts of their running deviations, held within ± 8.
struct RunningScale: Sendable {
    private var moments: [RunningMoments]

    init(count: Int) { moments = Array(repeating: RunningMoments(), count: count) }

    /// Scales an example by those before it, then counts it.
    mutating func scale(_ x: [Float]) -> [Float] {
        x.indices.map { i in
            let deviation = max(1e-3, moments[i].standardDeviation)
            let scaled = moments[i].count < 2 ? 0 : (Double(x[i]) - moments[i].mean) / deviation
            moments[i].add(Double(x[i]))
            return Float(max(-8, min(8, scaled)))
        }
    }
}
