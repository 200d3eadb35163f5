import Configuration
import Evaluation
import Messaging
import Model
import Pipeline
import Schema
import Serving
import Statistics
import Tensors

/// Measures forgetting: keeps a sample of each domain's moments, and tests all domains so far whenever one ends.
///
/// A domain is named by readings, or begins where a detector finds drift of the model's loss. A domain that returns counts as a new one.
struct DomainEvaluator {
    private let settings: EvaluateSettings
    private let classes: Int
    private let scorer: ServingModel
    /// The model's parameters when the current domain began.
    private let beginning: ParameterStore<Float>
    private let start: ParameterStore<Float>
    private var detector: NamedDetector?
    private var random: RandomSource
    private(set) var scores = DomainScores()
    private var current: String?
    private var starts: [UInt64] = []
    private var samples: [[MomentInput]] = []
    private var itemsSeen = 0
    private static let rows = 8

    /// - Parameter start: the parameters that a learner begins with.
    init(_ settings: GraphSettings, start: ParameterStore<Float>) throws {
        self.settings = settings.evaluate
        classes = settings.model.classes
        scorer = try ServingModel(settings.model, rows: Self.rows, languageRows: 0)
        beginning = start.copy()
        self.start = start.copy()
        detector = settings.evaluate.domainDetector.isEmpty ? nil : try NamedDetector(settings.evaluate.domainDetector)
        random = RandomSource(seed: UInt64(settings.seed))
    }

    /// Notes a moment's domain: where it is another one, the previous domain has ended.
    /// - Parameter serving: the parameters of the model that has learned up to here.
    /// - Returns: whether a domain ended.
    mutating func open(_ domain: String, at ordinal: UInt64, serving: ParameterStore<Float>) -> Bool {
        guard !domain.isEmpty, domain != current else { return false }
        return turn(to: domain, at: ordinal, serving)
    }

    /// Adds a labelled moment to the domain's sample, by reservoir sampling.
    /// - Parameter loss: of the model's prediction, in nats.
    /// - Returns: whether a domain ended.
    mutating func add(_ input: MomentInput, label: Int, loss: Double, ordinal: UInt64, serving: ParameterStore<Float>) -> Bool {
        var ended = false
        if detector?.update(loss) == true { ended = turn(to: "after \(ordinal)", at: ordinal, serving) }
        if detector != nil, current == nil { _ = turn(to: "from the start", at: ordinal, serving) }
        guard current != nil, settings.holdOut == 0 || ordinal % UInt64(settings.holdOut) == 0 else { return ended }
        var moment = input
        moment.label = label
        itemsSeen += 1
        let last = samples.count - 1
        if samples[last].count < settings.domainSample {
            samples[last].append(moment)
        } else {
            let place = random.uniform(below: itemsSeen)
            if place < settings.domainSample { samples[last][place] = moment }
        }
        return ended
    }

    /// Ends the last domain at the end of the stream.
    /// - Returns: whether a domain ended.
    mutating func end(serving: ParameterStore<Float>) -> Bool {
        guard current != nil else { return false }
        measure(serving)
        current = nil
        return true
    }

    /// - Returns: whether a domain ended.
    private mutating func turn(to domain: String, at ordinal: UInt64, _ serving: ParameterStore<Float>) -> Bool {
        if current != nil, samples.count >= settings.maximumDomains { return false }
        let ended = current != nil
        if ended { measure(serving) }
        beginning.assign(from: serving)
        current = domain
        starts.append(ordinal)
        samples.append([])
        itemsSeen = 0
        return ended
    }

    private mutating func measure(_ serving: ParameterStore<Float>) {
        let accuracies = samples.map { accuracy(on: $0, serving) }
        let newest = samples[samples.count - 1]
        scores.end(current ?? "", accuracy: accuracies, before: accuracy(on: newest, beginning), initial: accuracy(on: newest, start))
    }

    /// The share of moments whose class is predicted correctly; 0 without moments.
    private func accuracy(on sample: [MomentInput], _ parameters: ParameterStore<Float>) -> Double {
        guard !sample.isEmpty else { return 0 }
        scorer.parameters.assign(from: parameters)
        var right = 0
        for first in stride(from: 0, to: sample.count, by: Self.rows) {
            let part = sample[first..<min(first + Self.rows, sample.count)]
            let filled = part.map { ServingModel.Question($0) } + Array(repeating: .init(MomentInput()), count: Self.rows - part.count)
            right += zip(part, scorer.predict(filled)).count { $0.label == $1.label }
        }
        return Double(right) / Double(sample.count)
    }

    /// The accuracy matrix and its summary figures, on `evaluation.domains/`.
    var message: Outgoing {
        let matrix = scores.matrix
        return Outgoing(
            .with {
                $0.domains = scores.domains
                $0.rows = scores.rows.map { row in .with { $0.accuracy = row } }
                ($0.before, $0.initial) = (scores.before, scores.initial)
                if let value = matrix.averageAccuracy { $0.averageAccuracy = value }
                if let value = matrix.backwardTransfer { $0.backwardTransfer = value }
                if let value = matrix.forwardTransfer { $0.forwardTransfer = value }
                if let value = matrix.forgetting { $0.forgetting = value }
                if let value = matrix.anytimeAccuracy { $0.anytimeAccuracy = value }
                $0.heldOut = settings.holdOut > 0
                $0.starts = Array(starts.prefix(scores.domains.count))
            }, on: Topics.evaluationDomains.only)
    }
}
