/// Count, mean and variance of a stream of numbers.  Welford 1962, https://doi.org/10.1080/00401706.1962.10490022;
/// merging by Chan, Golub and LeVeque 1983, https://doi.org/10.1080/00031305.1983.10483115
public struct RunningMoments: Codable, Sendable, Equatable {
    public private(set) var count = 0
    public private(set) var mean = 0.0
    private var squares = 0.0

    public init() {}

    public mutating func add(_ x: Double) {
        count += 1
        let deviation = x - mean
        mean += deviation / Double(count)
        squares += deviation * (x - mean)
    }

    public mutating func merge(_ other: RunningMoments) {
        guard other.count > 0 else { return }
        let (n, m) = (Double(count), Double(other.count))
        let gap = other.mean - mean
        count += other.count
        mean += gap * m / (n + m)
        squares += other.squares + gap * gap * n * m / (n + m)
    }

    /// The sample variance, with divisor n − 1; 0 for fewer than two numbers.
    public var variance: Double { count > 1 ? max(0, squares / Double(count - 1)) : 0 }
    public var standardDeviation: Double { variance.squareRoot() }
}
