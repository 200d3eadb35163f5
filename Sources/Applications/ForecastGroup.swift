/// Numbers that are forecast together, by models and fixed experts whose weights follow their recent errors.
struct ForecastGroup: Sendable {
    private var models: [RidgeRegression]
    private var weights: ExpertWeights
    private var learned = 0

    /// The mixture counts for half after so many truths, constant velocity for the other half.
    private static let doubt = 300.0
    /// Constant velocity times these is a fixed expert.
    private static let damping = [1, 0.8, 0.5, 0.25, 0]

    /// Two models differ in how soon they leave constant velocity, and one forgets.
    /// - Parameters:
    ///   - inputs: the number of inputs.
    ///   - horizon: in seconds. Velocities are multiplied by it, so a longer one makes the inputs larger; and errors of forecasts that
    ///     overlap are alike, so each counts less.
    init(inputs: Int, horizon: Double) {
        var initial = [Double](repeating: 0, count: inputs)
        initial[PoseForecaster.constant] = 1
        models = [(0.03, 1), (0.003, 1), (0.03, 0.999)].map { ridge, forgetting in
            RidgeRegression(initial: initial, ridge: ridge * horizon, forgetting: forgetting)
        }
        let prior = models.map { _ in 1 } + [0.5] + Self.damping.dropFirst().map { _ in 0.1 }
        weights = ExpertWeights(prior: prior, rate: min(0.1, 0.01 / horizon))
    }

    /// - Parameter rows: inputs of each number.
    func forecast(_ rows: [[Double]]) -> [Double] {
        let squared = Double(learned) * Double(learned), trust = squared / (squared + Self.doubt * Self.doubt)
        return zip(rows, experts(rows)).map { row, forecasts in
            let mixed = zip(forecasts, weights.values).reduce(0) { $0 + $1.0 * $1.1 }
            return trust * mixed + (1 - trust) * row[PoseForecaster.constant]
        }
    }

    /// The experts' forecasts of each number.
    private func experts(_ rows: [[Double]]) -> [[Double]] {
        rows.map { row in
            models.map { $0.predict(row) } + Self.damping.map { $0 * row[PoseForecaster.constant] }
        }
    }

    /// Learns what the numbers were, and how well each expert had forecast them.
    mutating func learn(_ rows: [[Double]], _ truths: [Double]) {
        learned += 1
        let forecasts = experts(rows)
        weights.learn(
            (0..<weights.values.count).map { expert in
                zip(forecasts, truths).reduce(0) { sum, pair in
                    let error = pair.0[expert] - pair.1
                    return sum + error * error
                }.squareRoot()
            })
        for (row, truth) in zip(rows, truths) {
            for i in models.indices { models[i].learn(row, truth) }
        }
    }
}
