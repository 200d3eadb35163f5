/// Two logistic regressions, on how early a beat came and on that with its shape, mixed; rare beats weigh as much as common ones.
struct HeartbeatModel {
    struct Inputs {
        var early: [Float], all: [Float]
    }

    private var scale = RunningScale(count: HeartWindow.points * 2 + 3)
    private var early: AdagradLogistic, whole: AdagradLogistic
    private var counts: (positive: Float, negative: Float) = (0, 0)
    let threshold: Float = 0.5

    init() {
        var settings = AdagradLogistic.Configuration()
        (settings.tableBits, settings.denseRate, settings.denseStart) = (0, 0.3, 1)
        early = AdagradLogistic(inputs: 5, settings)
        settings.denseRate = 0.05
        whole = AdagradLogistic(inputs: HeartWindow.points * 2 + 5, settings)
    }

    mutating func inputs(_ window: HeartWindow) -> Inputs {
        let x = scale.scale(window.shape + window.intervals), intervals = Array(x.suffix(3))
        let early = [1] + intervals + [10 * (1 - window.intervals[0])]
        return Inputs(early: early, all: early + x.dropLast(3).map { $0 / 4 })
    }

    mutating func predict(_ inputs: Inputs) -> Float {
        guard counts.positive > 0 else { return 0.01 }
        return squash((2 * early.predict(inputs.early) + whole.predict(inputs.all)) / 3)
    }

    mutating func learn(_ inputs: Inputs, _ label: Bool) {
        if label { counts.positive += 1 } else { counts.negative += 1 }
        let weight = label ? min(Self.weightLimit, max(1, counts.negative / max(1, counts.positive))) : 1
        _ = early.predict(inputs.early)
        early.learn(label, weight: weight)
        _ = whole.predict(inputs.all)
        whole.learn(label, weight: weight)
    }

    /// The most that a rare beat weighs.
    private static let weightLimit: Float = 20
}

/// Logistic regression on the window alone, one pass.
struct WindowBaseline {
    private var scale = RunningScale(count: HeartWindow.points * 2)
    private var logistic: AdagradLogistic

    init() {
        var settings = AdagradLogistic.Configuration()
        (settings.tableBits, settings.denseRate, settings.denseStart) = (0, 0.1, 1)
        logistic = AdagradLogistic(inputs: HeartWindow.points * 2 + 1, settings)
    }

    mutating func inputs(_ window: HeartWindow) -> [Float] { [1] + scale.scale(window.shape) }

    mutating func predict(_ x: [Float]) -> Float { squash(logistic.predict(x)) }

    mutating func learn(_ x: [Float], _ label: Bool) {
        _ = logistic.predict(x)
        logistic.learn(label)
    }
}
