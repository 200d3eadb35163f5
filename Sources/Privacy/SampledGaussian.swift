import Foundation

/// A sum of clipped vectors to which Gaussian noise is added, of a batch that contains every element with the same probability.
///
/// How much a release reveals about one element is bounded by its Rényi divergences: those between the outputs with and without the element.
/// Sources: Mironov, Rényi Differential Privacy, https://arxiv.org/abs/1702.07476; Mironov, Talwar and Zhang, Rényi Differential Privacy of
/// the Sampled Gaussian Mechanism, https://arxiv.org/abs/1908.10530
public struct SampledGaussian: Codable, Sendable, Hashable {
    /// q: the probability with which an element is in a batch, independently of all others (Poisson sampling). A stream that is taken in its
    /// own order is not sampled: q = 1.
    public let samplingRate: Double
    /// σ: the noise's standard deviation, in units of the bound to which vectors are clipped.
    public let noise: Double

    /// - Throws: `PrivacyError` where the rate is not within 0…1, or the noise is not positive.
    public init(samplingRate: Double, noise: Double) throws(PrivacyError) {
        guard (0...1).contains(samplingRate) else { throw PrivacyError("the sampling rate \(samplingRate) is not within 0…1") }
        guard noise > 0, noise.isFinite else { throw PrivacyError("the noise \(noise) is not a positive number") }
        (self.samplingRate, self.noise) = (samplingRate, noise)
    }

    private enum CodingKeys: CodingKey { case samplingRate, noise }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try self.init(
            samplingRate: container.decode(Double.self, forKey: .samplingRate), noise: container.decode(Double.self, forKey: .noise))
    }

    /// The Rényi divergence of one release, in nats; infinite where it cannot be computed.
    ///
    /// ε(α) = ln A(α) / (α − 1), where A(α) is the mean over z of N(0, σ²) of ((1 − q) + q · exp((2z − 1) / 2σ²))^α; α / 2σ² for q = 1.
    /// - Parameter order: α, above 1.
    public func divergence(order: Double) -> Double {
        precondition(order > 1, "the order \(order) is not above 1")
        if samplingRate == 0 { return 0 }
        if samplingRate == 1 { return order / (2 * noise * noise) }
        let log = order == order.rounded() && order <= 1_000 ? logMean(wholeOrder: Int(order)) : logMean(order: order)
        return log.isNaN ? .infinity : max(0, log) / (order - 1)
    }

    /// ln A(α) for whole α: A = Σ binomial(α, k) (1 − q)^(α − k) q^k exp((k² − k) / 2σ²).
    private func logMean(wholeOrder: Int) -> Double {
        let order = Double(wholeOrder)
        return (0...wholeOrder).reduce(-.infinity) { sum, k in
            let k = Double(k)
            let binomial = lgamma(order + 1) - lgamma(k + 1) - lgamma(order - k + 1)
            return logSum(sum, binomial + k * log(samplingRate) + (order - k) * log1p(-samplingRate) + exponent(k))
        }
    }

    /// ln A(α) for any α: the mean is cut at z₀ = ½ + σ² ln(1 / q − 1), where both summands are equal, and each half is expanded in powers
    /// of the smaller one.
    private func logMean(order: Double) -> Double {
        let cut = noise * noise * (log1p(-samplingRate) - log(samplingRate)) + 0.5, width = 2.0.squareRoot() * noise
        var lower = -Double.infinity, upper = -Double.infinity
        var binomial = 0.0, isPositive = true
        for i in 0..<Self.terms {
            let k = Double(i), rest = order - k
            if i > 0 {
                let factor = (rest + 1) / k
                binomial += log(abs(factor))
                if factor < 0 { isPositive.toggle() }
            }
            let first = binomial + k * log(samplingRate) + rest * log1p(-samplingRate) + exponent(k) + logHalfTail((k - cut) / width)
            let second = binomial + rest * log(samplingRate) + k * log1p(-samplingRate) + exponent(rest) + logHalfTail((cut - rest) / width)
            lower = isPositive ? logSum(lower, first) : logDifference(lower, first)
            upper = isPositive ? logSum(upper, second) : logDifference(upper, second)
            if max(first, second) < Self.smallest { return logSum(lower, upper) }
        }
        return .nan
    }

    /// Terms below exp(−30) are left out, as implementations in use do whose numbers the tests repeat.
    private static let smallest = -30.0
    private static let terms = 100_000

    private func exponent(_ k: Double) -> Double { (k * k - k) / (2 * noise * noise) }
}

/// ln(eᵃ + eᵇ)
private func logSum(_ a: Double, _ b: Double) -> Double {
    let (least, most) = (min(a, b), max(a, b))
    return least == -.infinity ? most : most + log1p(exp(least - most))
}

/// ln(eᵃ − eᵇ); not a number where b is greater.
private func logDifference(_ a: Double, _ b: Double) -> Double {
    if b == -.infinity { return a }
    return a == b ? -.infinity : a + log(-expm1(b - a))
}

/// ln(erfc(x) / 2); for large x by its asymptotic series, because erfc is 0 there.
private func logHalfTail(_ x: Double) -> Double {
    guard x > 25 else { return log(erfc(x)) - log(2) }
    let inverse = 1 / (x * x)
    return -x * x - log(x) - log(.pi) / 2 + log1p(inverse * (-0.5 + inverse * (0.75 - 1.875 * inverse))) - log(2)
}

/// Why privacy cannot be accounted for.
public struct PrivacyError: Error, Equatable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
