import CVector
import Foundation
import Statistics

/// Adam, AdamW and LAMB: Adam is LAMB without trust.
///
///     m ← β₁m + (1 − β₁)g;  v ← β₂v + (1 − β₂)g²
///     direction = m / (1 − β₁ᵗ) / (√v / √(1 − β₂ᵗ) + ε)
///     w ← w − η · trust · direction
///
/// Weight decay λ is added to the gradient (Adam, https://arxiv.org/abs/1412.6980), subtracted from the weight beforehand
/// (`decoupled`: AdamW, https://arxiv.org/abs/1711.05101) or added to the direction (`trust`: LAMB, https://arxiv.org/abs/1904.00962).
/// trust = ‖w‖ / ‖direction‖ for each parameter that decays, 1 where either is 0 and in Adam and AdamW.
public struct AdaptiveRule: UpdateRule {
    /// η
    public var learningRate = 1e-3
    /// β₁, in 0 ..< 1
    public var beta1 = 0.9
    /// β₂, in 0 ..< 1
    public var beta2 = 0.999
    /// ε
    public var epsilon = 1e-8
    /// λ
    public var weightDecay = 0.0
    /// Whether weight decay is decoupled from the gradient (AdamW).
    public var decoupled = false
    /// Whether steps are scaled by the trust ratio (LAMB).
    public var trust = false
    public var decayVectors = true
    public var clipNorm = 0.0
    public var schedule = Schedule()

    public init() {}

    public init(learningRate: Double = 1e-3, epsilon: Double = 1e-8, weightDecay: Double = 0, decoupled: Bool = false, trust: Bool = false)
    {
        self.learningRate = learningRate
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.decoupled = decoupled
        self.trust = trust
    }

    public func validate() throws(SettingsError) {
        try SettingsError.require(learningRate >= 0 && learningRate <= 1000, "learning_rate", "\(learningRate) is not in 0…1000")
        try SettingsError.require(beta1 >= 0 && beta1 < 1, "beta1", "\(beta1) is not in 0 ..< 1")
        try SettingsError.require(beta2 >= 0 && beta2 < 1, "beta2", "\(beta2) is not in 0 ..< 1")
        // A smaller ε is 0 in single precision, and a weight without a gradient would be divided by it.
        try SettingsError.require(epsilon >= 1e-30 && epsilon <= 1, "epsilon", "\(epsilon) is not in 1e-30…1")
        try SettingsError.require(weightDecay >= 0 && weightDecay <= 1000, "weight_decay", "\(weightDecay) is not in 0…1000")
        try SettingsError.require(!decoupled || !trust, "decoupled", "cannot go with trust, which adds the decay to the direction")
        try SettingsError.require((0...1e18).contains(clipNorm), "clip_norm", "\(clipNorm) is not in 0…1e18")
        try schedule.validate()
    }

    public var moments: [String] { ["first_moment", "second_moment"] }
    public var layerwise: (any LayerwiseRule)? { trust ? self : nil }

    public func update(_ run: WeightRun, _ step: OptimizerStep) {
        #if arch(x86_64)
            if WeightRun.hasAVX2 { return updateInEights(run, step) }
        #endif
        updateInSixteens(run, step)
    }

    func updateInSixteens(_ run: WeightRun, _ step: OptimizerStep) {
        let terms = Terms(self, run, step)
        let keep = SIMD16<Float>(repeating: Float(1 - (decoupled && run.decays ? step.learningRate * weightDecay : 0)))
        let added = SIMD16<Float>(repeating: decoupled || !run.decays ? 0 : Float(weightDecay))
        // The rate over the first moment's correction in one factor, as PyTorch rounds it.
        let rate = SIMD16<Float>(repeating: Float(step.learningRate / terms.firstCorrection))
        for place in stride(from: 0, to: run.count, by: 16) {
            let w = load(run.weights, place)
            let g = load(run.gradients, place) * terms.scale + added * w
            let (m, v) = terms.move(g, place)
            store(w * keep - rate * (m / terms.denominator(v)), run.weights, place)
        }
    }
}

#if arch(x86_64)
    extension AdaptiveRule {
        /// The same result to the bit with AVX2.
        func updateInEights(_ run: WeightRun, _ step: OptimizerStep) {
            let terms = Terms(self, run, step)
            var numbers = CVectorAdaptiveTerms(
                scale: terms.scale[0], added: decoupled || !run.decays ? 0 : Float(weightDecay),
                towardsGradient: terms.towardsGradient[0], keepSecond: terms.keepSecond[0], addSecond: terms.addSecond[0],
                secondCorrection: terms.secondCorrection[0], epsilon: terms.epsilon[0],
                keep: Float(1 - (decoupled && run.decays ? step.learningRate * weightDecay : 0)),
                rate: Float(step.learningRate / terms.firstCorrection))
            CVectorAdaptiveStepAVX2(run.weights, run.gradients, terms.first, terms.second, run.count, &numbers)
        }
    }
#endif

extension AdaptiveRule: LayerwiseRule {
    public func measure(_ run: WeightRun, _ step: OptimizerStep) -> (weights: Double, directions: Double) {
        let terms = Terms(self, run, step)
        var weights = SIMD16<Float>.zero, directions = SIMD16<Float>.zero
        for place in stride(from: 0, to: run.count, by: 16) {
            let w = load(run.weights, place)
            let (m, v) = terms.move(load(run.gradients, place) * terms.scale, place)
            let direction = terms.direction(m, v, w)
            weights += w * w
            directions += direction * direction
        }
        return (total(weights), total(directions))
    }

    public func trust(weights: Double, direction: Double, decays: Bool) -> Double {
        weights > 0 && direction > 0 && decays && weightDecay > 0 ? weights / direction : 1
    }

    public func apply(_ run: WeightRun, _ step: OptimizerStep, trust: Float) {
        let terms = Terms(self, run, step)
        let rate = SIMD16<Float>(repeating: Float(step.learningRate) * trust)
        for place in stride(from: 0, to: run.count, by: 16) {
            let w = load(run.weights, place)
            let direction = terms.direction(load(terms.first, place), load(terms.second, place), w)
            store(w - rate * direction, run.weights, place)
        }
    }
}

/// The constants of a step, ready for sixteen weights at a time.
private struct Terms {
    let first, second: UnsafeMutablePointer<Float>
    let firstCorrection: Double
    let scale, towardsGradient, keepSecond, addSecond, secondCorrection, epsilon, decay, inverseFirst: SIMD16<Float>

    init(_ rule: AdaptiveRule, _ run: WeightRun, _ step: OptimizerStep) {
        guard let first = run.first, let second = run.second else { preconditionFailure("Adam keeps two moments") }
        self.first = first
        self.second = second
        firstCorrection = 1 - pow(rule.beta1, Double(step.number))
        let secondCorrection = (1 - pow(rule.beta2, Double(step.number))).squareRoot()
        scale = SIMD16(repeating: step.gradientScale)
        towardsGradient = SIMD16(repeating: Float(1 - rule.beta1))
        keepSecond = SIMD16(repeating: Float(rule.beta2))
        addSecond = SIMD16(repeating: Float(1 - rule.beta2))
        self.secondCorrection = SIMD16(repeating: Float(1 / secondCorrection))
        epsilon = SIMD16(repeating: Float(rule.epsilon))
        decay = SIMD16(repeating: run.decays ? Float(rule.weightDecay) : 0)
        inverseFirst = SIMD16(repeating: Float(1 / firstCorrection))
    }

    @inline(__always)
    func move(_ g: SIMD16<Float>, _ place: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        var m = load(first, place)
        m += towardsGradient * (g - m)
        let v = keepSecond * load(second, place) + addSecond * g * g
        store(m, first, place)
        store(v, second, place)
        return (m, v)
    }

    @inline(__always)
    func denominator(_ v: SIMD16<Float>) -> SIMD16<Float> { CVectorSquareRoot(v) * secondCorrection + epsilon }

    /// LAMB's direction: Adam's plus the decay.
    @inline(__always)
    func direction(_ m: SIMD16<Float>, _ v: SIMD16<Float>, _ w: SIMD16<Float>) -> SIMD16<Float> {
        m * inverseFirst / denominator(v) + decay * w
    }
}
