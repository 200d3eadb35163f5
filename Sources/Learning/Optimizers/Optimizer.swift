import Statistics
import Tensors

/// Turns gradients into steps: an update rule bound to parameters, their gradients, and the moments it keeps for those that learn.
///
///     let optimizer = Optimizer(try updateRule("adamw"), parameters: store, gradients: graph.gradients)
///     graph.backward(from: loss)
///     optimizer.step()
///
/// A gradient that is not finite, or too large to be squared, leaves weights and moments as they were; a weight that a step would carry out of
/// single precision's range, by a rate or a decay that is too large, begins again at 0. A step allocates nothing, and gives the same result to the
/// bit whatever the team's size. An optimizer has one owner: it is not `Sendable`.
public final class Optimizer {
    public struct Outcome: Sendable, Equatable {
        /// False where a gradient was not finite or too large, and nothing was changed.
        public let stepped: Bool
        /// Of all gradients together, averaged over accumulated batches, before clipping.
        public let gradientNorm: Double
        /// The rate the step was taken with.
        public let learningRate: Double
    }

    public let rule: any UpdateRule
    /// Multiplies the rule's rate; for policies that raise or lower it while running.
    public var rateScale = 1.0
    /// Steps taken.
    public internal(set) var steps = 0
    /// Steps not taken because a gradient was not finite.
    public internal(set) var skipped = 0
    /// One store for each of the rule's moments, laid out as the gradients.
    public let moments: [ParameterStore<Float>]

    private let parameters: ParameterStore<Float>
    private let gradients: ParameterStore<Float>
    private let layerwise: (any LayerwiseRule)?
    private let team: Team
    private let runs: [WeightRun]
    /// Per run: Σ gradient²; then, for layerwise rules, Σ weight² and Σ direction².
    private let sums: UnsafeMutableBufferPointer<(first: Double, second: Double)>
    /// Per parameter, where the rule is layerwise.
    private var trusts: [Float]
    private var current = OptimizerStep(number: 1, learningRate: 0, gradientScale: 1)
    private var phase = Phase.measureGradients

    /// - Parameters:
    ///   - gradients: of the parameters that learn, which are all that costs memory here. Every name is one of `parameters`.
    ///   - team: the threads that take a step.
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

    /// The square of what is greater has no place in single precision, in which moments are kept.
    private static let largestNorm = 1e18

    /// Steps once along the gradients as they are, which stay untouched.
    /// - Parameter batches: how many batches' gradients were added up; their mean is what counts.
    @discardableResult
    public func step(averaging batches: Int = 1) -> Outcome {
        precondition(batches >= 1, "the mean of \(batches) batches")
        phase = .measureGradients
        team.run(self)
        let norm = sums[0..<runs.count].reduce(0) { $0 + $1.first }.squareRoot() / Double(batches)
        let rate = rule.learningRate * rule.schedule.share(at: steps + 1) * rateScale
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
            weighTrust(layerwise)
            phase = .apply
        } else {
            phase = .update
        }
        team.run(self)
        return Outcome(stepped: true, gradientNorm: norm, learningRate: rate)
    }

    /// Sums each parameter's runs in their order.
    private func weighTrust(_ layerwise: any LayerwiseRule) {
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

    /// Cuts every parameter into runs that one thread works on at a time, small enough that float sums stay exact enough.
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
                runs[index].beginAgainWhereNotFinite()
            case .measureDirections:
                sums[index] = (0, 0)
                runs[index].inSixteens { run in
                    guard let measured = layerwise?.measure(run, current) else { return }
                    sums[index].first += measured.weights
                    sums[index].second += measured.directions
                }
            case .apply:
                runs[index].inSixteens { layerwise?.apply($0, current, trust: trusts[$0.parameter]) }
                runs[index].beginAgainWhereNotFinite()
            }
        }
    }
}

/// Not finite exactly where a number is not: what overflows in single precision is summed again in double.
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
