import Applications
import Learning
import Model
import Statistics

/// What predicts with the parameters that were published last, and learns.
protocol PacedLearner: AnyObject {
    /// The class of a moment, by the published parameters.
    func predict(_ moment: MomentInput) -> Int?
    /// Learns a moment, without publishing.
    func learn(_ moment: MomentInput) throws
    /// Makes what was learned so far what predicts.
    func publish()
}

/// A strategy of the graph's learner, with its parameters as they were when they were published.
final class PacedStrategy: PacedLearner {
    private let learner: OnlineLearner
    private let serving: MultimodalGraph<Float>

    init(_ configuration: OnlineLearner.Configuration, seed: UInt64) throws {
        var settings = MultimodalConfiguration()
        settings.senses = [.image, .audio]
        let model = try MultimodalModel(settings)
        learner = try OnlineLearner(model, configuration, seed: seed)
        serving = .predicting(model, parameters: learner.parameters.copy(), batch: 1, languageRows: 0)
    }

    func predict(_ moment: MomentInput) -> Int? {
        serving.set(moment, row: 0)
        serving.forward()
        return serving.prediction(row: 0).decided
    }

    func learn(_ moment: MomentInput) throws { try learner.learn(moment) }

    func publish() {
        for parameter in learner.servingParameters.layout.parameters {
            _ = serving.parameters[parameter.name].update(fromContentsOf: learner.servingParameters[parameter.name])
        }
    }
}

/// One softmax regression on all numbers of the senses and the words: cheap, and always up to date.
final class PacedSoftmax: PacedLearner {
    private var softmax = AdagradSoftmax(rate: 0.1)
    private var published = AdagradSoftmax(rate: 0.1)

    func predict(_ moment: MomentInput) -> Int? { published.predict(Self.inputs(moment)).argmax }

    func learn(_ moment: MomentInput) throws {
        guard let label = moment.label else { return }
        _ = softmax.predict(Self.inputs(moment))
        softmax.learn(label)
    }

    func publish() { published = softmax }

    private static func inputs(_ moment: MomentInput) -> [AdagradSoftmax.Input] {
        var inputs: [AdagradSoftmax.Input] = [(0, 1)]
        for (kind, name) in moment.senses.keys.sorted().enumerated() {
            guard let values = moment.senses[name]?.values else { continue }
            let length = max(1e-6, values.reduce(0) { $0 + $1 * $1 }.squareRoot())
            inputs += values.enumerated().map { (UInt64(kind + 1) << 32 | UInt64($0), $1 / length) }
        }
        for word in moment.text.split(separator: Int(UInt8(ascii: " "))) {
            inputs.append((word.reduce(UInt64(9) << 32) { ($0 ^ UInt64(truncatingIfNeeded: $1)) &* 0x100_0000_01B3 }, 0.5))
        }
        return inputs
    }
}
