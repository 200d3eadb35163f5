import Tensors

/// A multimodal model recorded for a batch of moments: set rows, run `forward`, read predictions or run `backward`.
///
///     let graph = MultimodalGraph(model, parameters: store, batch: 16, languageRows: 4)
///     for (row, moment) in moments.enumerated() { graph.set(moment, row: row) }
///     graph.forward()
///     graph.backward()                 // fills graph.gradients
///
/// Every run reads the parameters from the store, so a change of the store takes effect at the next run. Rows keep their moments
/// until they are set again. It has one owner, as any graph.
public final class MultimodalGraph<S: Scalar> {
    /// The model.
    public let model: MultimodalModel
    /// The number of rows, one for each moment.
    public let batch: Int
    /// The number of rows, from the first, that also pass through the language trunk.
    public let languageRows: Int

    /// The graph that the model is recorded into.
    public let graph: Graph<S>
    private let inputs: MultimodalInputs<S>
    private let percepts: [Percept<S>]
    private let fused: FusionOutput<S>
    /// Class logits, (batch, classes).
    public var logits: Tensor<S> { fused.logits }
    private let probabilities: Tensor<S>
    private let opinions: [Tensor<S>]
    /// (batch, classes), added to the logits, and to those of each modality, before the cross entropy of the label: a class with a
    /// large negative value has no effect on the row's loss. Nil unless requested; `classificationLoss` does not include it.
    public let classMask: Tensor<S>?
    private let classification: CrossEntropy<S>
    /// The classification loss that is learned, with the class mask if there is one.
    private let learned: Tensor<S>
    private let experts: [CrossEntropy<S>]
    private let language: CrossEntropy<S>?
    /// (predicted tokens, V)
    private let nextTokens: Tensor<S>?
    private let text: PackedText?
    /// classification + expertWeight · Σ experts + languageWeight · language
    public let loss: Tensor<S>

    /// Records a model over a parameter store.
    ///
    /// - Parameters:
    ///   - model: the model.
    ///   - parameters: its parameters.
    ///   - batch: the number of rows.
    ///   - languageRows: the number of rows that also pass through the language trunk.
    ///   - masksClasses: whether there is a `classMask`.
    ///   - learning: which parameters get gradients.
    ///   - team: the threads that replay the graph.
    public convenience init(
        _ model: MultimodalModel, parameters: ParameterStore<S>, batch: Int, languageRows: Int, masksClasses: Bool = false,
        learning isLearning: (Parameter) -> Bool = { _ in true }, team: Team = .solo
    ) {
        let graph = Graph(parameters: parameters, learning: isLearning, team: team)
        self.init(model, batch: batch, languageRows: languageRows, masksClasses: masksClasses, in: graph)
    }

    /// Records a model into a graph whose store holds the model's parameters.
    public init(_ model: MultimodalModel, batch: Int, languageRows: Int, masksClasses: Bool = false, in graph: Graph<S>) {
        precondition(batch > 0 && (0...batch).contains(languageRows), "\(languageRows) rows of language in a batch of \(batch)")
        let configuration = model.configuration
        let inputs = MultimodalInputs(configuration, batch: batch, languageRows: languageRows, in: graph)
        let percepts = model.percepts(inputs, in: graph)
        let fused = model.fusion.classify(percepts, in: graph)
        let classification = graph.crossEntropy(fused.logits, targets: inputs.labels)
        let mask = masksClasses ? graph.input([batch, configuration.classes]) : nil
        func masked(_ logits: Tensor<S>) -> Tensor<S> { mask.map { graph.add(logits, $0) } ?? logits }
        let learned =
            masksClasses ? graph.crossEntropy(masked(fused.logits), targets: inputs.labels).mean : classification.mean
        let experts = zip(percepts, inputs.modalities).map { graph.crossEntropy(masked($0.opinion), targets: $1.labels) }
        var loss = experts.reduce(learned) { graph.add($0, $1.mean, scale: configuration.expertWeight) }
        if languageRows > 0 {
            let text = PackedText(configuration, rows: languageRows, in: graph)
            let logits = model.nextTokens(percepts, inputs, text, languageRows: languageRows, in: graph)
            let language = graph.crossEntropy(logits, targets: text.targets)
            loss = graph.add(loss, language.mean, scale: configuration.languageWeight)
            self.language = language
            self.text = text
            nextTokens = logits
        } else {
            text = nil
            language = nil
            nextTokens = nil
        }
        self.model = model
        self.batch = batch
        self.languageRows = languageRows
        self.graph = graph
        self.inputs = inputs
        self.percepts = percepts
        self.fused = fused
        probabilities = graph.softmax(fused.logits)
        opinions = percepts.map { graph.softmax($0.opinion) }
        classMask = mask
        self.classification = classification
        self.learned = learned
        self.experts = experts
        self.loss = loss
        if let text { inputs.begin(packing: text) }
    }

    /// A graph for inference, without memory for gradients.
    public static func predicting(
        _ model: MultimodalModel, parameters: ParameterStore<S>, batch: Int, languageRows: Int, team: Team = .solo
    ) -> MultimodalGraph {
        MultimodalGraph(model, parameters: parameters, batch: batch, languageRows: languageRows, learning: { _ in false }, team: team)
    }

    /// The store that the graph reads.
    public var parameters: ParameterStore<S> { graph.parameters }
    /// d loss / d parameter after `backward`.
    public var gradients: ParameterStore<S> { graph.gradients }

    /// Sets the moment of a row.
    ///
    /// - Parameters:
    ///   - moment: one that the configuration accepts.
    ///   - row: its row of the batch.
    ///   - hiding: modalities that are treated as missing. A hidden text is still the target of the language head.
    ///   - shifts: for each sense, in order, the number of rows by which its reading is shifted cyclically; empty for none.
    ///   - scoresText: whether the likelihood of the text's tokens is computed, in a row with language.
    public func set(_ moment: MomentInput, row: Int, hiding: Set<String> = [], shifts: [Int] = [], scoresText: Bool = true) {
        inputs.set(moment, row: row, hiding: hiding, shifts: shifts, scoresText: scoresText)
    }

    /// Empties a row, which then does not count in any loss.
    public func clear(row: Int) { inputs.set(MomentInput(), row: row, hiding: [], shifts: []) }

    /// Computes predictions and losses.
    public func forward() { graph.forward() }

    /// Computes the gradients of `loss`, after `forward`.
    /// - Parameter accumulating: adds to the gradients of earlier calls instead of replacing them.
    public func backward(accumulating: Bool = false) { graph.backward(from: loss, accumulating: accumulating) }

    /// The parts of the loss of the last `forward`.
    public var losses: MultimodalLosses {
        @specialized(where S == Float)
        get {
            MultimodalLosses(
                total: loss.value.primal, classification: learned.value.primal,
                experts: experts.map(\.mean.value.primal), language: language?.mean.value.primal ?? 0)
        }
    }

    /// The cross entropy of a row's label in the last `forward`, in nats; 0 without a label.
    @specialized(where S == Float)
    public func classificationLoss(row: Int) -> Double { classification.rows.values[row].primal }

    /// The cross entropy of a row's label from each modality alone, in the order of the configuration; 0 for one that is missing.
    public func expertLosses(row: Int) -> [Double] { experts.map { $0.rows.values[row].primal } }

    /// −ln p of each token that is learned of a row in the last `forward`: of its right answer if it has one, else of its text; empty for a
    /// row without language.
    @specialized(where S == Float)
    public func languageLosses(row: Int) -> [Double] {
        guard row < languageRows, let text, let losses = language?.rows.values else { return [] }
        return text.targets(of: row).map { losses[$0].primal }
    }

    /// The tokens that are learned of a row, as `languageLosses` has them, and the logits, (V) each, from which the last `forward`
    /// predicted them. They are valid until the next `forward`.
    public func languageLogits(row: Int) -> [(token: Int, logits: Slice<UnsafeMutableBufferPointer<S>>)] {
        guard row < languageRows, let text, let nextTokens else { return [] }
        let V = nextTokens.columns
        return text.targets(of: row).map { (Int(text.targets.values[$0]), nextTokens.values[$0 * V..<($0 + 1) * V]) }
    }

    /// The prediction for a row in the last `forward`.
    @specialized(where S == Float)
    public func prediction(row: Int) -> MultimodalPrediction {
        let names = model.configuration.modalities
        let nll = (language?.rows.values).flatMap { row < languageRows ? $0 : nil }
        let first = row < languageRows ? text?.firstTarget(of: row) ?? 0 : 0
        let places = first..<first + inputs.textLengths[row]
        return MultimodalPrediction(
            probabilities: numbers(probabilities, row), weights: Dictionary(uniqueKeysWithValues: zip(names, weights(row: row))),
            experts: Dictionary(
                uniqueKeysWithValues: zip(names, opinions).filter { name, _ in
                    inputs.isPresent(name, row: row)
                }.map { ($0, numbers($1, row)) }),
            tokenNLL: nll.map { nll in places.map { Float(nll[$0].primal) } } ?? [])
    }

    /// The tokens of all modalities of a row in the last `forward`, in the order of the configuration; 0 where one is missing.
    public func representation(row: Int) -> [Float] {
        percepts.flatMap { percept -> [Float] in
            let count = percept.tokens.count / batch
            guard percept.present.values[row].primal > 0 else { return Array(repeating: 0, count: count) }
            return (row * count..<(row + 1) * count).map { Float(percept.tokens.values[$0].primal) }
        }
    }

    /// The fusion's attention weights for a row in the last `forward`; empty for a fusion without attention.
    public func attention(row: Int) -> [AttentionMap] {
        fused.maps.map { AttentionMap(name: $0.name, rows: $0.rows, columns: $0.columns, weights: numbers($0.weights, row)) }
    }

    @specialized(where S == Float)
    private func numbers(_ tensor: Tensor<S>, _ row: Int) -> [Float] {
        (row * tensor.columns..<(row + 1) * tensor.columns).map { Float(tensor.values[$0].primal) }
    }

    /// Each modality's share of the importance, in order; all 0 if no modality is present.
    private func weights(row: Int) -> [Float] {
        let importance = numbers(fused.importance, row)
        let share = importance.count / percepts.count, total = importance.reduce(0, +)
        return percepts.indices.map { modality in
            total > 0 ? importance[modality * share..<(modality + 1) * share].reduce(0, +) / total : 0
        }
    }
}

/// The parts of a loss, each a mean over the rows that have a target, in nats.
public struct MultimodalLosses: Codable, Sendable, Equatable {
    /// The weighted sum of the others.
    public var total: Double
    /// The cross entropy of the label.
    public var classification: Double
    /// The cross entropy of the label from each modality alone, in the order of `MultimodalConfiguration.modalities`.
    public var experts: [Double]
    /// The cross entropy of the text's tokens.
    public var language: Double

    public init(total: Double, classification: Double, experts: [Double], language: Double) {
        self.total = total
        self.classification = classification
        self.experts = experts
        self.language = language
    }
}

/// A model's prediction for a moment.
public struct MultimodalPrediction: Codable, Sendable, Equatable {
    /// The probability of each class.
    public var probabilities: [Float]
    /// Each modality's share of the importance; they sum to 1 if any is present.
    public var weights: [String: Float]
    /// The class probabilities from each present modality alone.
    public var experts: [String: [Float]]
    /// −ln p of each token of the text, given the senses and the tokens before it; empty for a row without language.
    public var tokenNLL: [Float]
}

/// The attention weights of a fusion for one moment, rows × columns. For `attention`, a row is a modality and a column one of its
/// tokens; for `co-attention`, the rows are the tokens of one modality, head by head, and the columns the tokens of the other.
public struct AttentionMap: Codable, Sendable, Equatable {
    public var name: String
    public var rows: Int
    public var columns: Int
    public var weights: [Float]
}
