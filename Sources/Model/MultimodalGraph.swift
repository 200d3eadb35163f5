import Tensors

/// A multimodal model recorded for a batch of moments: set rows, run forward, read predictions or go backward.
///
///     let graph = MultimodalGraph(model, parameters: store, batch: 16, languageRows: 4)
///     for (row, moment) in moments.enumerated() { graph.set(moment, row: row) }
///     graph.forward()
///     graph.backward()                 // fills graph.gradients
///
/// The parameters are those of the store, read anew by every run: whoever changes them adopts an update.
/// Rows keep what was set until they are set again. One owner, as for any graph.
public final class MultimodalGraph<S: Scalar> {
    public let model: MultimodalModel
    public let batch: Int
    /// So many rows, the first ones, also pass through the language trunk.
    public let languageRows: Int

    public let graph: Graph<S>
    private let inputs: MultimodalInputs<S>
    private let percepts: [Percept<S>]
    private let verdict: Verdict<S>
    /// Of the classes, (batch, classes).
    public var logits: Tensor<S> { verdict.logits }
    private let probabilities: Tensor<S>
    private let opinions: [Tensor<S>]
    /// Added to the logits, and to each modality's own, before the cross entropy of the label, (batch, classes): a class that is far below 0 there costs its
    /// row nothing. Only where it was asked for; `classificationLoss` is without it.
    public let classMask: Tensor<S>?
    private let classification: CrossEntropy<S>
    /// With the mask, where there is one.
    private let learned: Tensor<S>
    private let experts: [CrossEntropy<S>]
    private let language: CrossEntropy<S>?
    private let text: PackedText?
    /// classification + expertWeight · Σ experts + languageWeight · language
    public let loss: Tensor<S>

    /// - Parameters:
    ///   - masksClasses: whether there is a `classMask`.
    ///   - learning: which parameters learn; none for a graph that only predicts.
    public convenience init(
        _ model: MultimodalModel, parameters: ParameterStore<S>, batch: Int, languageRows: Int, masksClasses: Bool = false,
        learning isLearning: (Parameter) -> Bool = { _ in true }, team: Team = .solo
    ) {
        let graph = Graph(parameters: parameters, learning: isLearning, team: team)
        self.init(model, batch: batch, languageRows: languageRows, masksClasses: masksClasses, in: graph)
    }

    /// Records into a graph whose store holds the model's parameters.
    public init(_ model: MultimodalModel, batch: Int, languageRows: Int, masksClasses: Bool = false, in graph: Graph<S>) {
        precondition(batch > 0 && (0...batch).contains(languageRows), "\(languageRows) rows of language in a batch of \(batch)")
        let configuration = model.configuration
        let inputs = MultimodalInputs(configuration, batch: batch, languageRows: languageRows, in: graph)
        let percepts = model.percepts(inputs, in: graph)
        let verdict = model.fusion.classify(percepts, in: graph)
        let classification = graph.crossEntropy(verdict.logits, targets: inputs.labels)
        let mask = masksClasses ? graph.input([batch, configuration.classes]) : nil
        func masked(_ logits: Tensor<S>) -> Tensor<S> { mask.map { graph.add(logits, $0) } ?? logits }
        let learned =
            masksClasses ? graph.crossEntropy(masked(verdict.logits), targets: inputs.labels).mean : classification.mean
        let experts = zip(percepts, inputs.modalities).map { graph.crossEntropy(masked($0.opinion), targets: $1.labels) }
        var loss = experts.reduce(learned) { graph.add($0, $1.mean, scale: configuration.expertWeight) }
        if languageRows > 0 {
            let text = PackedText(configuration, rows: languageRows, in: graph)
            let logits = model.nextTokens(percepts, inputs, text, languageRows: languageRows, in: graph)
            let language = graph.crossEntropy(logits, targets: text.targets)
            loss = graph.add(loss, language.mean, scale: configuration.languageWeight)
            self.language = language
            self.text = text
        } else {
            text = nil
            language = nil
        }
        self.model = model
        self.batch = batch
        self.languageRows = languageRows
        self.graph = graph
        self.inputs = inputs
        self.percepts = percepts
        self.verdict = verdict
        probabilities = graph.softmax(verdict.logits)
        opinions = percepts.map { graph.softmax($0.opinion) }
        classMask = mask
        self.classification = classification
        self.learned = learned
        self.experts = experts
        self.loss = loss
        if let text { inputs.begin(packing: text) }
    }

    /// A graph that learns nothing and needs no memory for it.
    public static func predicting(
        _ model: MultimodalModel, parameters: ParameterStore<S>, batch: Int, languageRows: Int, team: Team = .solo
    ) -> MultimodalGraph {
        MultimodalGraph(model, parameters: parameters, batch: batch, languageRows: languageRows, learning: { _ in false }, team: team)
    }

    public var parameters: ParameterStore<S> { graph.parameters }
    /// d loss / d parameter after `backward`.
    public var gradients: ParameterStore<S> { graph.gradients }

    /// Puts a moment, which the configuration accepts, into a row.
    /// - Parameters:
    ///   - hiding: modalities to leave out although the moment has them. The text's tokens stay what language is judged by.
    ///   - turns: by how many rows to turn a sense's readings, in the order of the senses.
    ///   - scoresText: whether the likelihood of the tokens of the text is computed, in a row with language.
    public func set(_ moment: MomentInput, row: Int, hiding: Set<String> = [], turns: [Int] = [], scoresText: Bool = true) {
        inputs.set(moment, row: row, hiding: hiding, turns: turns, scoresText: scoresText)
    }

    /// An empty row: it counts in no loss.
    public func clear(row: Int) { inputs.set(MomentInput(), row: row, hiding: [], turns: []) }

    public func forward() { graph.forward() }

    /// - Parameter accumulating: adds to the gradients from before.
    public func backward(accumulating: Bool = false) { graph.backward(from: loss, accumulating: accumulating) }

    /// The parts of the last forward's loss.
    public var losses: MultimodalLosses {
        @specialized(where S == Float)
        get {
            MultimodalLosses(
                total: loss.value.primal, classification: learned.value.primal,
                experts: experts.map(\.mean.value.primal), language: language?.mean.value.primal ?? 0)
        }
    }

    /// A row's cross entropy of the label in the last forward, in nats; 0 without a label.
    @specialized(where S == Float)
    public func classificationLoss(row: Int) -> Double { classification.rows.values[row].primal }

    /// What the last forward thinks of a row.
    @specialized(where S == Float)
    public func prediction(row: Int) -> MultimodalPrediction {
        let names = model.configuration.modalities
        let nll = (language?.rows.values).flatMap { row < languageRows ? $0 : nil }
        let first = row < languageRows ? text?.firstTold(of: row) ?? 0 : 0
        let places = first..<first + inputs.textLengths[row]
        return MultimodalPrediction(
            probabilities: numbers(probabilities, row), weights: Dictionary(uniqueKeysWithValues: zip(names, weights(row: row))),
            experts: Dictionary(
                uniqueKeysWithValues: zip(names, opinions).filter { name, _ in
                    inputs.isPresent(name, row: row)
                }.map { ($0, numbers($1, row)) }),
            tokenNLL: nll.map { nll in places.map { Float(nll[$0].primal) } } ?? [])
    }

    /// The tokens of every modality in the last forward, in the order of the configuration; 0 where one is missing.
    public func representation(row: Int) -> [Float] {
        percepts.flatMap { percept -> [Float] in
            let count = percept.tokens.count / batch
            guard percept.present.values[row].primal > 0 else { return Array(repeating: 0, count: count) }
            return (row * count..<(row + 1) * count).map { Float(percept.tokens.values[$0].primal) }
        }
    }

    /// Where the fusion looked in the last forward of a row; empty for one that does not attend.
    public func attention(row: Int) -> [AttentionMap] {
        verdict.maps.map { AttentionMap(name: $0.name, rows: $0.rows, columns: $0.columns, weights: numbers($0.weights, row)) }
    }

    @specialized(where S == Float)
    private func numbers(_ tensor: Tensor<S>, _ row: Int) -> [Float] {
        (row * tensor.columns..<(row + 1) * tensor.columns).map { Float(tensor.values[$0].primal) }
    }

    /// Each modality's share, in order; all 0 where none is there.
    private func weights(row: Int) -> [Float] {
        let importance = numbers(verdict.importance, row)
        let share = importance.count / percepts.count, total = importance.reduce(0, +)
        return percepts.indices.map { modality in
            total > 0 ? importance[modality * share..<(modality + 1) * share].reduce(0, +) / total : 0
        }
    }
}

/// The parts of a loss, each a mean over the rows that have a target, in nats.
public struct MultimodalLosses: Codable, Sendable, Equatable {
    public var total: Double
    public var classification: Double
    /// Each modality's own, in the order of `MultimodalConfiguration.modalities`.
    public var experts: [Double]
    public var language: Double

    public init(total: Double, classification: Double, experts: [Double], language: Double) {
        self.total = total
        self.classification = classification
        self.experts = experts
        self.language = language
    }
}

/// What a model thinks of a moment.
public struct MultimodalPrediction: Codable, Sendable, Equatable {
    /// One for each class.
    public var probabilities: [Float]
    /// Each modality's share in the decision; they sum to 1 unless none is there.
    public var weights: [String: Float]
    /// What each modality that is there would say alone.
    public var experts: [String: [Float]]
    /// −ln p of each token of the text, given the senses and the tokens before it; empty for a row without language.
    public var tokenNLL: [Float]
}

/// Where a fusion looked in one moment: rows × columns weights. Of `attention`, a row is a modality and a column one of its tokens; of
/// `co-attention`, the rows are the tokens of the one modality, head after head, and the columns the tokens of the other.
public struct AttentionMap: Codable, Sendable, Equatable {
    public var name: String
    public var rows: Int
    public var columns: Int
    public var weights: [Float]
}
