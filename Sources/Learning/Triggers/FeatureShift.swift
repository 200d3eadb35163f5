import Foundation
import Statistics

/// Measures how much the distribution of recent feature vectors differs from that of a reference: a signal for triggers.
///
/// The squared maximum mean discrepancy under a Gaussian kernel, by random Fourier features:
/// ‖mean z(reference) − mean z(recent)‖², z(x)ₖ = √(2/D) cos(wₖ·x + bₖ), w normal over the kernel's width.
/// Gretton et al. 2012, https://jmlr.org/papers/v13/gretton12a.html; Rahimi and Recht 2007.
public struct FeatureShift: Codable, Sendable, Equatable {
    /// The length of the vectors.
    public let columns: Int
    /// The number of vectors in the reference, and in the recent part.
    public let window: Int
    private var directions: [Float] = []
    private var phases: [Float] = []
    private var reference: [Float]
    private var referenceCount = 0
    private var recent: [[Float]] = []

    /// - Parameters:
    ///   - columns: the length of the vectors.
    ///   - window: the number of vectors in the reference, and in the recent part.
    ///   - width: the kernel's width, in units of the features; about their typical distance.
    ///   - features: D, the number of random features; the more, the less noise.
    ///   - random: the source of random numbers.
    public init(columns: Int, window: Int = 100, width: Double, features: Int = 64, random: inout RandomSource) {
        precondition(
            columns > 0 && window > 0 && width > 0 && features > 0,
            "\(columns) columns, window \(window), width \(width), \(features) features")
        self.columns = columns
        self.window = window
        directions = (0..<columns * features).map { _ in Float(random.normal() / width) }
        phases = (0..<features).map { _ in Float(random.uniform() * 2 * .pi) }
        reference = Array(repeating: 0, count: features)
    }

    /// Adds the next vector.
    /// - Returns: the squared discrepancy; nil until the reference and the recent part are full, and for a vector that is too large.
    public mutating func add(_ x: [Float]) -> Double? {
        precondition(x.count == columns, "\(x.count) numbers for \(columns) columns")
        let z = embed(x)
        guard z.allSatisfy(\.isFinite) else { return nil }
        if referenceCount < window {
            referenceCount += 1
            for k in z.indices { reference[k] += z[k] / Float(window) }
            return nil
        }
        if recent.count == window { recent.removeFirst() }
        recent.append(z)
        guard recent.count == window else { return nil }
        return z.indices.reduce(0.0) { sum, k in
            let gap = Double(recent.reduce(0) { $0 + $1[k] } / Float(window) - reference[k])
            return sum + gap * gap
        }
    }

    private func embed(_ x: [Float]) -> [Float] {
        let scale = (2 / Float(phases.count)).squareRoot()
        return phases.indices.map { k in
            var angle = phases[k]
            for column in x.indices { angle += directions[k * columns + column] * x[column] }
            return scale * cos(angle)
        }
    }
}
