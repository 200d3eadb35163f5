import Foundation
import Tensors

/// A policy's distribution over actions, recorded in a graph for a batch, with the log-probabilities of the actions taken and the
/// entropy.
public protocol ActionDistribution<S> {
    associatedtype S: Scalar

    /// (rows): ln of the probability or density of the action taken.
    var logProbability: Tensor<S> { get }
    /// The entropy in nats; (rows), or one number if it is the same for all rows.
    var entropy: Tensor<S> { get }
    /// Sets the action taken in a row.
    func take(_ decision: Decision, row: Int)
}

/// A categorical distribution: p(a) = softmax(logits)[a]; H = −Σ p ln p
public struct Categorical<S: Scalar>: ActionDistribution {
    public let taken: Indices
    /// (rows, k)
    public let probabilities: Tensor<S>
    public let logProbability: Tensor<S>
    public let entropy: Tensor<S>

    public func take(_ decision: Decision, row: Int) { taken[row] = decision.choice ?? 0 }
}

/// A normal distribution with diagonal covariance.
///
///     ln N(u; μ, σ) = Σ −½ ((u − μ)/σ)² − ln σ − ½ ln 2π;  H = Σ ln σ + ½ ln 2πe
///
/// u is the number drawn, before it is mapped to its bounds. The factor by which this mapping changes the density does not depend on μ
/// and σ, so ratios of densities are not affected. https://arxiv.org/abs/1801.01290 (appendix C)
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
    /// Records a categorical distribution for every row. logits (rows, k).
    public func categorical(_ logits: Tensor<S>) -> Categorical<S> {
        let taken = indices(logits.rows)
        let probabilities = softmax(logits)
        let information = rowSums(multiply(probabilities, logSoftmax(logits)))
        return Categorical(
            taken: taken, probabilities: probabilities,
            logProbability: affine(crossEntropy(logits, targets: taken).rows, scale: -1), entropy: affine(information, scale: -1))
    }

    /// Records a normal distribution for every row. mean (rows, d), logDeviation (d).
    public func diagonalGaussian(mean: Tensor<S>, logDeviation: Tensor<S>) -> DiagonalGaussian<S> {
        let taken = input([mean.rows, mean.columns])
        let inverse = activate(affine(logDeviation, scale: -1), .exponential)
        let z = multiply(subtract(taken, mean), inverse)
        let squares = affine(activate(z, .square), scale: -0.5, offset: -0.5 * log(2 * Double.pi))
        return DiagonalGaussian(
            taken: taken, logProbability: rowSums(add(squares, logDeviation, scale: -1)),
            entropy: rowSums(affine(logDeviation.reshaped([1, mean.columns]), offset: 0.5 * (1 + log(2 * Double.pi)))))
    }

    /// The element-wise minimum.
    public func minimum(_ x: Tensor<S>, _ y: Tensor<S>) -> Tensor<S> { subtract(x, activate(subtract(x, y), .relu)) }

    /// The element-wise maximum.
    public func maximum(_ x: Tensor<S>, _ y: Tensor<S>) -> Tensor<S> { add(x, activate(subtract(y, x), .relu)) }

    /// Clips elements to a range; the derivative outside it is 0.
    public func clip(_ x: Tensor<S>, _ range: ClosedRange<Double>) -> Tensor<S> {
        let above = activate(affine(x, offset: -range.lowerBound), .relu)
        let beyond = activate(affine(x, offset: -range.upperBound), .relu)
        return affine(subtract(above, beyond), offset: range.lowerBound)
    }
}
