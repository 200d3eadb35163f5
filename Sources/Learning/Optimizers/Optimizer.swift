import Statistics
import Tensors

/// Applies an update rule to parameters: binds the rule to the parameters, their gradients, and its moments.
///
///     let optimizer = Optimizer(try updateRule("adamw"), parameters: store, gradients: graph.gradients)
///     graph.backward(from: loss)
///     optimizer.step()
///
/// If a gradient is not finite, or too large to be squared, the step is skipped; a weight that overflows single precision, because the
/// rate or the decay is too large, is reset to 0. A step allocates nothing, and gives the same result to the bit whatever the team's
/// size. An optimiser has one owner: it is not `Sendable`.
public final class Optimizer {
    /// The result of a step.
    public struct Outcome: Sendable, Equatable {
        /// False if a gradient was not finite or too large, so that nothing was changed.
        public let stepped: Bool
        /// The norm of all gradients, averaged over accumulated batches, before clipping.
        public let gradientNorm: Double
        /// The learning rate of the step.
        public let learningRate: Double
    }

    /// The update rule.
    public let rule: any UpdateRule
    /// A factor of the rule's rate, for policies that change it during learning.
    public var rateScale = 1.0
    /// Steps taken.
    public internal(set) var steps = 0
    /// The learning rate of the next step.
    public var learningRate: Double { rule.learningRate * rule.schedule.share(at: steps + 1) * rateScale }
    /// Steps not taken because a gradient was not finite.
    public internal(set) var skipped = 0
    /// One store for each of the rule's moments, with the layout of the gradients.
    public let moments: [ParameterStore<Float>]

    private let parameters: ParameterStore<Float>
    private let gradients: ParameterStore<Float>
    private let layerwise: (any LayerwiseRule)?
    private let team: Team
    private let runs: [WeightRun]
    /// For each run: Σ gradient²; then, for layerwise rules, Σ weight² and Σ direction².
    private let sums: UnsafeMutableBufferPointer<(first: Double, second: Double)>
    /// The trust ratio of each parameter, for layerwise rules.
    private var trusts: [Float]
    private var current = OptimizerStep(number: 1, learningRate: 0, gradientScale: 1)
    private var phase = Phase.measureGradients

    /// - Parameters:
    ///   - rule: the update rule.
    ///   - parameters: the parameters to change.
    ///   - gradients: the gradients of the parameters that learn, with names of `parameters`. Moments are allocated for these only.
    ///   - team: the threads that compute.
    public init(_ rule: any UpdateRule, parameters: ParameterStore<Float>, gradients: ParameterStore<Float>, team: Team = .solo) {
        self.rule = rule
        self.team = team
        layerwise = rule.layerwise
        moments = rule.moments.map { _ in ParameterStore(gradients.layout) }
        runs = Self.runs(rule, parameters, gradients, moments)
        sums = .allocate(capacity: max(1, runs.count))
        sums.initialize(repeating: (0, 0))
        trusts = Array(repeating: 1, count: gradients.layout.parameters.count)
        self.parameters = parameters
        self.gradients = gradients
    }

    deinit { sums.deallocate() }

    /// The square of a larger norm overflows single precision, in which moments are stored.
    private static let largestNorm = 1e18

    /// Makes one step with the current gradients, which are not changed.
    /// - Parameter batches: the number of batches whose gradients were added up; the step uses their mean.
    @discardableResult
    public func step(averaging batches: Int = 1) -> Outcome {
        precondition(batches >= 1, "the mean of \(batches) batches")
        phase = .measureGradients
        team.run(self)
        let norm = sums[0..<runs.count].reduce(0) { $0 + $1.first }.squareRoot() / Double(batches)
        let rate = learningRate
        // PyTorch's clip_grad_norm_ has the same 1e-6.
        let clipping = rule.clipNorm > 0 ? min(1, rule.clipNorm / (norm + 1e-6)) : 1
        guard norm.isFinite, norm * clipping <= Self.largestNorm, rate.isFinite else {
            skipped += 1
            return Outcome(stepped: false, gradientNorm: norm, learningRate: rate)
        }
        steps += 1
        current = OptimizerStep(number: steps, learningRate: rate, gradientScale: Float(clipping / Double(batches)))
        if let layerwise {
            phase = .measureDirections
            team.run(self)
            computeTrustRatios(layerwise)
            phase = .apply
        } else {
            phase = .update
        }
        team.run(self)
        return Outcome(stepped: true, gradientNorm: norm, learningRate: rate)
    }

    /// Adds up the sums of each parameter's runs, in order, and computes its trust ratio.
    private func computeTrustRatios(_ layerwise: any LayerwiseRule) {
        var index = 0
        while index < runs.count {
            let run = runs[index]
            var weights = 0.0, directions = 0.0
            while index < runs.count, runs[index].parameter == run.parameter {
                weights += sums[index].first
                directions += sums[index].second
                index += 1
            }
            trusts[run.parameter] = Float(
                layerwise.trust(weights: weights.squareRoot(), direction: directions.squareRoot(), decays: run.decays))
        }
    }

    /// Divides every parameter into runs, each processed by one thread, and short enough for accurate sums in single precision.
    private static func runs(
        _ rule: any UpdateRule, _ parameters: ParameterStore<Float>, _ gradients: ParameterStore<Float>, _ moments: [ParameterStore<Float>]
    ) -> [WeightRun] {
        let longest = 16_384
        var runs: [WeightRun] = []
        for (index, parameter) in gradients.layout.parameters.enumerated() {
            let weights = parameters[parameter.name].baseAddress!
            precondition(parameters[parameter.name].count == parameter.count, "\(parameter.name) has another shape than its gradient")
            let gradient = gradients[parameter.name].baseAddress!
            let kept = moments.map { $0[parameter.name].baseAddress! }
            for start in stride(from: 0, to: parameter.count, by: longest) {
                runs.append(
                    WeightRun(
                        parameter: index, count: min(longest, parameter.count - start),
                        decays: rule.decayVectors || parameter.shape.count > 1,
                        weights: weights + start, gradients: UnsafePointer(gradient + start),
                        first: kept.first.map { $0 + start }, second: kept.dropFirst().first.map { $0 + start }))
            }
        }
        return runs
    }
}

extension Optimizer: TeamWork {
    private enum Phase { case measureGradients, update, measureDirections, apply }

    public func work(_ share: Share, round: Int) {
        for index in share.of(runs.count) {
            switch phase {
            case .measureGradients:
                sums[index] = (sumOfSquares(runs[index]), 0)
            case .update:
                runs[index].inSixteens { rule.update($0, current) }
                runs[index].resetWhereNotFinite()
            case .measureDirections:
                sums[index] = (0, 0)
                runs[index].inSixteens { run in
                    guard let measured = layerwise?.measure(run, current) else { return }
                    sums[index].first += measured.weights
                    sums[index].second += measured.directions
                }
            case .apply:
                runs[index].inSixteens { layerwise?.apply($0, current, trust: trusts[$0.parameter]) }
                runs[index].resetWhereNotFinite()
            }
        }
    }
}

/// Σ gradient², not finite only if a gradient is not: a sum that overflows single precision is computed again in double precision.
private func sumOfSquares(_ run: WeightRun) -> Double {
    var squares = SIMD16<Float>.zero
    run.inSixteens { run in
        for place in stride(from: 0, to: run.count, by: 16) {
            let g = load(run.gradients, place)
            squares += g * g
        }
    }
    let sum = total(squares)
    if sum.isFinite { return sum }
    return UnsafeBufferPointer(start: run.gradients, count: run.count).reduce(0) { $0 + Double($1) * Double($1) }
}
