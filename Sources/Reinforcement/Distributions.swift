import Foundation
import Tensors

/// A policy's distribution over actions, recorded for a batch: how likely those taken are, and how undecided it is.
public protocol ActionDistribution<S> {
    associatedtype S: Scalar

    /// (rows): ln of the probability or density of what was taken.
    var logProbability: Tensor<S> { get }
    /// In nats; (rows), or one number where all rows have the same.
    var entropy: Tensor<S> { get }
    /// Writes what was taken in one row.
    func take(_ decision: Decision, row: Int)
}

/// p(a) = softmax(logits)[a]; H = −Σ p ln p
public struct Categorical<S: Scalar>: ActionDistribution {
    public let taken: Indices
    /// (rows, k)
    public let probabilities: Tensor<S>
    public let logProbability: Tensor<S>
    public let entropy: Tensor<S>

    public func take(_ decision: Decision, row: Int) { taken[row] = decision.choice ?? 0 }
}

/// ln N(u; μ, σ) = Σ −½ ((u − μ)/σ)² − ln σ − ½ ln 2π; H = Σ ln σ + ½ ln 2πe
///
/// u is what was drawn, before it is laid into bounds; what bounds do to the density does not depend on μ and σ, so it
/// leaves every ratio of densities as it is. https://arxiv.org/abs/1801.01290 (appendix C)
public struct DiagonalGaussian<S: Scalar>: ActionDistribution {
    /// (rows, d)
    public let taken: Tensor<S>
    public let logProbability: Tensor<S>
    public let entropy: Tensor<S>

    public func take(_ decision: Decision, row: Int) {
        for (column, number) in decision.raw.enumerated() { taken.values[row * taken.columns + column] = S(Double(number)) }
    }
}

extension Graph {
    /// A choice for every row. logits (rows, k).
    public func categorical(_ logits: Tensor<S>) -> Categorical<S> {
        let taken = indices(logits.rows)
        let probabilities = softmax(logits)
        let information = rowSums(multiply(probabilities, logSoftmax(logits)))
        return Categorical(
            taken: taken, probabilities: probabilities,
            logProbability: affine(crossEntropy(logits, targets: taken).rows, scale: -1), entropy: affine(information, scale: -1))
    }

    /// Independent normal numbers for every row. mean (rows, d), logDeviation (d).
    public func diagonalGaussian(mean: Tensor<S>, logDeviation: Tensor<S>) -> DiagonalGaussian<S> {
        let taken = input([mean.rows, mean.columns])
        let inverse = activate(affine(logDeviation, scale: -1), .exponential)
        let z = multiply(subtract(taken, mean), inverse)
        let squares = affine(activate(z, .square), scale: -0.5, offset: -0.5 * log(2 * Double.pi))
        return DiagonalGaussian(
            taken: taken, logProbability: rowSums(add(squares, logDeviation, scale: -1)),
            entropy: rowSums(affine(logDeviation.reshaped([1, mean.columns]), offset: 0.5 * (1 + log(2 * Double.pi)))))
    }

    /// The smaller of two, number by number.
    public func minimum(_ x: Tensor<S>, _ y: Tensor<S>) -> Tensor<S> { subtract(x, activate(subtract(x, y), .relu)) }

    /// The larger of two, number by number.
    public func maximum(_ x: Tensor<S>, _ y: Tensor<S>) -> Tensor<S> { add(x, activate(subtract(y, x), .relu)) }

    /// Within two constants; the slope outside is 0.
    public func clip(_ x: Tensor<S>, _ range: ClosedRange<Double>) -> Tensor<S> {
        let above = activate(affine(x, offset: -range.lowerBound), .relu)
        let beyond = activate(affine(x, offset: -range.upperBound), .relu)
        return affine(subtract(above, beyond), offset: range.lowerBound)
    }
}
