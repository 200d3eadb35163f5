import Statistics
import Model
import Tensors

/// The classification loss of a multimodal model over moments as the loss of a task; gradients are computed for a part of the parameters.
public final class MomentsLoss<S: Scalar>: TaskLoss {
    private let graph: MultimodalGraph<S>

    /// - Parameters:
    ///   - model: the model.
    ///   - parameters: the parameters of the whole model.
    ///   - capacity: the maximum number of moments.
    ///   - isPersonal: selects the parameters that are learned.
    public init(_ model: MultimodalModel, parameters: ParameterStore<S>, capacity: Int, learning isPersonal: (Parameter) -> Bool) {
        graph = MultimodalGraph(model, parameters: parameters, batch: capacity, languageRows: 0, learning: isPersonal)
    }

    public var parameters: ParameterStore<S> { graph.parameters }
    public var gradients: ParameterStore<S> { graph.gradients }

    public func put(_ moments: [MomentInput]) {
        precondition(moments.count <= graph.batch, "\(moments.count) moments where \(graph.batch) fit")
        for row in 0..<graph.batch {
            if row < moments.count { graph.set(moments[row], row: row) } else { graph.clear(row: row) }
        }
    }

    public func differentiate() -> S {
        graph.forward()
        graph.backward()
        return graph.loss.value
    }

    /// The mean cross entropy of moments in nats, and the fraction answered correctly; runs forward only.
    public func evaluate(_ moments: [MomentInput]) -> (loss: Double, accuracy: Double) {
        put(moments)
        graph.forward()
        var loss = 0.0, right = 0
        for (row, moment) in moments.enumerated() {
            loss += graph.classificationLoss(row: row)
            let probabilities = graph.prediction(row: row).probabilities
            if probabilities.argmax == moment.label { right += 1 }
        }
        let count = Double(max(1, moments.count))
        return (loss / count, Double(right) / count)
    }
}
