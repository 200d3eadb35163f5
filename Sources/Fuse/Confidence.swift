import Statistics

/// How sure a prediction is: its confidence, learned to be how often it is right, and whether it is sure enough to be an answer.
struct Confidence {
    /// What was said of a prediction.
    struct Judgement: Equatable {
        /// The probability that its label is right.
        var confidence: Double
        var isKnown: Bool
        /// Whether mostly what was labelled before speaks.
        fileprivate var isRecalled: Bool
    }

    /// What the model says and what is recalled are sure in ways of their own.
    private var model = TemperatureScaling(), recalled = TemperatureScaling()
    private var selection: SelectivePrediction
    /// Of all labels: as it was said, and as it would have been without learning.
    private var learned = Calibration(), unlearned = Calibration()

    /// - Parameter risk: the share of answers that may be wrong.
    init(risk: Double) { selection = SelectivePrediction(risk: risk) }

    /// - Parameter recall: the weight of what is recalled.
    func judge(_ probabilities: [Float], recall: Double) -> Judgement {
        let isRecalled = recall >= 0.5
        let confidence = Double((isRecalled ? recalled : model).scaled(probabilities).max() ?? 0)
        return Judgement(confidence: confidence, isKnown: selection.isKnown(confidence), isRecalled: isRecalled)
    }

    /// Learns the label of a prediction.
    mutating func learn(_ judgement: Judgement, _ probabilities: [Float], label: Int) {
        guard probabilities.indices.contains(label), probabilities.allSatisfy(\.isFinite) else { return }
        unlearned.add(probabilities: probabilities, label: label)
        let scaling = judgement.isRecalled ? recalled : model
        learned.add(probabilities: scaling.scaled(probabilities), label: label)
        selection.learn(
            confidence: judgement.confidence, wasKnown: judgement.isKnown, isRight: probabilities.argmax == label)
        if judgement.isRecalled { recalled.learn(probabilities, label: label) } else { model.learn(probabilities, label: label) }
    }

    var gauges: [String: Double] {
        guard let error = learned.expectedCalibrationError, let before = unlearned.expectedCalibrationError else { return [:] }
        var gauges = ["calibrationError": error, "calibrationErrorUnlearned": before]
        gauges["temperature"] = 1 / model.inverseTemperature
        gauges["answered"] = selection.coverage
        gauges["answeredWrongly"] = selection.errorRate
        return gauges
    }
}
