import Foundation
import Statistics
import Testing

struct ConfidenceTests {
    private func softmax(_ logits: [Double]) -> [Float] {
        let powers = logits.map { exp($0 - (logits.max() ?? 0)) }, sum = powers.reduce(0, +)
        return powers.map { Float($0 / sum) }
    }

    /// A model that is three times too sure becomes as sure as it is right, on what it sees later; so does one that is too modest.
    @Test(arguments: [3.0, 0.4], [1, 2, 3] as [UInt64])
    func confidenceBecomesHowOftenAModelIsRight(_ sharpness: Double, seed: UInt64) {
        var random = RandomSource(seed: seed), scaling = TemperatureScaling(), before = Calibration(), after = Calibration()
        for turn in 0..<6_000 {
            let logits = (0..<5).map { _ in 2.0 * random.normal() }, truth = softmax(logits)
            let predicted = softmax(logits.map { sharpness * $0 })
            var left = Float.random(in: 0..<1, using: &random), label = 0
            while label < 4, left >= truth[label] {
                left -= truth[label]
                label += 1
            }
            if turn >= 2_000 {
                before.add(probabilities: predicted, label: label)
                after.add(probabilities: scaling.scaled(predicted), label: label)
            }
            scaling.learn(predicted, label: label)
        }
        #expect(abs(scaling.inverseTemperature - 1 / sharpness) < 0.25 / sharpness, "β is \(scaling.inverseTemperature)")
        #expect((before.expectedCalibrationError ?? 0) > 0.08 && (after.expectedCalibrationError ?? 1) < 0.03)
    }

    @Test func theMostProbableClassStaysAndProbabilitiesSumToOne() {
        var scaling = TemperatureScaling(), random = RandomSource(seed: 4)
        for _ in 0..<300 {
            let p = softmax((0..<7).map { _ in 4 * random.normal() })
            let scaled = scaling.scaled(p)
            #expect(scaled.argmax == p.argmax && abs(scaled.reduce(0, +) - 1) < 1e-5)
            scaling.learn(p, label: Int.random(in: 0..<7, using: &random))
        }
    }

    /// A step goes against the gradient of the negative log-likelihood, which differences confirm.
    @Test func aStepLowersTheLoss() {
        let p: [Float] = [0.7, 0.2, 0.1]
        for label in 0..<3 {
            var scaling = TemperatureScaling()
            let before = -log(Double(scaling.scaled(p)[label]))
            scaling.learn(p, label: label)
            #expect(-log(Double(scaling.scaled(p)[label])) < before, "label \(label)")
        }
    }

    @Test func whatIsNoDistributionChangesNothing() {
        var scaling = TemperatureScaling()
        for (p, label) in [([.nan, 1], 0), ([0.5, 0.5], 2), ([], 0), ([-1, 2], 1), ([0.5, .infinity], 0)] as [([Float], Int)] {
            scaling.learn(p, label: label)
            #expect(scaling == TemperatureScaling())
        }
        scaling.learn([0, 0, 0], label: 1)
        #expect(scaling.inverseTemperature.isFinite && scaling.scaled([0, 0, 0]).allSatisfy(\.isFinite))
    }

    /// Of answers whose confidence is how often they are right, those that are given are wrong as rarely as was asked for.
    @Test(arguments: [0.01, 0.05, 0.2])
    func answersAreWrongNoMoreOftenThanIsAccepted(_ risk: Double) {
        var random = RandomSource(seed: 7), selection = SelectivePrediction(risk: risk), given = 0, wrong = 0
        for turn in 0..<12_000 {
            let confidence = 1 - pow(Double.random(in: 0..<1, using: &random), 3) / 2
            let isRight = Double.random(in: 0..<1, using: &random) < confidence, isKnown = selection.isKnown(confidence)
            if turn >= 1_000, isKnown {
                given += 1
                wrong += isRight ? 0 : 1
            }
            selection.learn(confidence: confidence, wasKnown: isKnown, isRight: isRight)
        }
        let rate = Double(wrong) / Double(given)
        #expect(rate < 1.3 * risk && given > 3_000, "\(rate) wrong of \(given)")
        #expect(selection.coverage.map { $0 > 0.2 } == true && selection.errorRate.map { $0 < 3 * risk } == true)
    }

    /// A model that is sure and wrong is soon not believed; one that nobody has corrected yet is believed where it is sure enough.
    @Test func aSureModelThatIsWrongIsNotBelieved() {
        var selection = SelectivePrediction(risk: 0.05)
        #expect(selection.isKnown(0.95) && !selection.isKnown(0.94))
        for _ in 0..<25 { selection.learn(confidence: 0.99, wasKnown: true, isRight: false) }
        #expect(!selection.isKnown(0.99) && !selection.isKnown(1))
        #expect(SelectivePrediction(risk: 1).isKnown(0))
    }
}
