import Statistics
import Model
import Tensors

/// What given parameters say of moments: forward only, with parameters that are exchanged whole.
public final class MomentJudge {
    /// A label's cross entropy in nats, and whether the likeliest class was right.
    public struct Judgement: Codable, Sendable, Equatable {
        public var loss: Double
        public var isRight: Bool
    }

    private let graph: MultimodalGraph<Float>

    /// - Parameters:
    ///   - parameters: read anew for each answer, never changed.
    ///   - rows: moments judged at a time.
    public init(_ model: MultimodalModel, parameters: ParameterStore<Float>, rows: Int, team: Team = .solo) {
        graph = .predicting(model, parameters: parameters, batch: rows, languageRows: 0, team: team)
    }

    public var parameters: ParameterStore<Float> { graph.parameters }

    /// Whether its model can be given a moment.
    func accepts(_ moment: MomentInput) -> Bool { (try? graph.model.configuration.check(moment)) != nil }

    /// In the order of the moments; nil for one without a label.
    public func judge(_ moments: some Collection<MomentInput>) -> [Judgement?] {
        answers(to: moments) { row, moment in
            guard let label = moment.label else { return nil }
            let p = graph.prediction(row: row).probabilities
            let likeliest = p.argmax
            return Judgement(loss: graph.classificationLoss(row: row), isRight: likeliest == label)
        }
    }

    public func judge(_ moment: MomentInput) -> Judgement? { judge(CollectionOfOne(moment))[0] }

    func logits(of moment: MomentInput) -> [Float] { logits(of: [moment])[0] }

    private func answers<Answer>(to moments: some Collection<MomentInput>, _ answer: (Int, MomentInput) -> Answer) -> [Answer] {
        var answers: [Answer] = []
        var rest = moments[...]
        while !rest.isEmpty {
            let part = rest.prefix(graph.batch)
            for (row, moment) in part.enumerated() { graph.set(moment, row: row) }
            for row in part.count..<graph.batch { graph.clear(row: row) }
            graph.forward()
            for (row, moment) in part.enumerated() { answers.append(answer(row, moment)) }
            rest = rest.dropFirst(part.count)
        }
        return answers
    }
}

extension MomentJudge: InputReader {
    func logits(of moments: [MomentInput]) -> [[Float]] {
        answers(to: moments) { row, _ in
            let classes = graph.logits.columns
            return Array(graph.logits.values[row * classes..<(row + 1) * classes])
        }
    }

    func losses(of moments: [MomentInput]) -> [Double?] { judge(moments).map { $0?.loss } }
}
