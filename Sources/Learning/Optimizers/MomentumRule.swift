import Statistics

/// Gradient descent, plain or with momentum: g ← g + λw; b ← μb + g; w ← w − η(g + μb) (Nesterov) or w − ηb or, at μ = 0, w − ηg.
/// The semantics are PyTorch's: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
public struct MomentumRule: UpdateRule {
    /// η
    public var learningRate = 0.01
    /// μ, in 0 ..< 1; at 0 there is no state.
    public var momentum = 0.0
    /// Whether the momentum is Nesterov's.
    public var nesterov = false
    /// λ, added to the gradient as L2 regularisation.
    public var weightDecay = 0.0
    public var decayVectors = true
    public var clipNorm = 0.0
    public var schedule = Schedule()

    public init() {}

    public init(learningRate: Double = 0.01, momentum: Double, nesterov: Bool = false) {
        self.learningRate = learningRate
        self.momentum = momentum
        self.nesterov = nesterov
    }

    public func validate() throws(SettingsError) {
        try SettingsError.require(learningRate >= 0 && learningRate <= 1000, "learning_rate", "\(learningRate) is not in 0…1000")
        try SettingsError.require(momentum >= 0 && momentum < 1, "momentum", "\(momentum) is not in 0 ..< 1")
        try SettingsError.require(!nesterov || momentum > 0, "nesterov", "needs a momentum above 0")
        try SettingsError.require(weightDecay >= 0 && weightDecay <= 1000, "weight_decay", "\(weightDecay) is not in 0…1000")
        try SettingsError.require((0...1e18).contains(clipNorm), "clip_norm", "\(clipNorm) is not in 0…1e18")
        try schedule.validate()
    }

    public var moments: [String] { momentum > 0 ? ["momentum"] : [] }

    public func update(_ run: WeightRun, _ step: OptimizerStep) {
        let rate = SIMD16<Float>(repeating: Float(step.learningRate))
        let decay = SIMD16<Float>(repeating: run.decays ? Float(weightDecay) : 0)
        let scale = SIMD16<Float>(repeating: step.gradientScale)
        guard let kept = run.first else {
            for place in stride(from: 0, to: run.count, by: 16) {
                let w = load(run.weights, place)
                let g = load(run.gradients, place) * scale + decay * w
                store(w - rate * g, run.weights, place)
            }
            return
        }
        let mu = SIMD16<Float>(repeating: Float(momentum))
        let past = nesterov ? mu : SIMD16<Float>(repeating: 1)
        let present = SIMD16<Float>(repeating: nesterov ? 1 : 0)
        for place in stride(from: 0, to: run.count, by: 16) {
            let w = load(run.weights, place)
            let g = load(run.gradients, place) * scale + decay * w
            let b = mu * load(kept, place) + g
            store(b, kept, place)
            store(w - rate * (present * g + past * b), run.weights, place)
        }
    }
}
