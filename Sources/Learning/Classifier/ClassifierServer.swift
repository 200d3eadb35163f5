import Statistics
import Foundation
import Tensors

/// Inference of a classifier, many rows at a time.
public final class ClassifierServer {
    let parameters: ParameterStore<Float>
    private let network: ClassifierNetwork
    private let graph: Graph<Float>
    private let features, logits: Tensor<Float>

    /// - Parameters:
    ///   - network: the classifier.
    ///   - parameters: its parameters, read at every call and never changed.
    ///   - batch: rows of one forward pass.
    ///   - team: the threads that compute.
    public init(_ network: ClassifierNetwork, parameters: ParameterStore<Float>, batch: Int = 100, team: Team = .solo) {
        precondition(batch > 0, "a batch of \(batch)")
        self.network = network
        self.parameters = parameters
        graph = .predicting(parameters: parameters, team: team)
        features = graph.input([batch, network.features])
        logits = network(features, in: graph)
    }

    /// The most likely class of each feature vector.
    public func classes(of vectors: [[Float]]) -> [Int] {
        logits(of: vectors).map { logits in logits.argmax ?? 0 }
    }

    /// The class logits of each feature vector.
    public func logits(of vectors: [[Float]]) -> [[Float]] {
        var answers: [[Float]] = []
        for start in stride(from: 0, to: vectors.count, by: features.rows) {
            let part = vectors[start..<min(start + features.rows, vectors.count)]
            for (row, vector) in part.enumerated() {
                precondition(vector.count == network.features, "\(vector.count) features for a network of \(network.features)")
                _ = UnsafeMutableBufferPointer(rebasing: features.values[row * vector.count..<(row + 1) * vector.count]).update(
                    from: vector)
            }
            graph.forward()
            for row in 0..<part.count { answers.append(Array(logits.values[row * network.classes..<(row + 1) * network.classes])) }
        }
        return answers
    }
}

extension ClassifierServer: InputReader {
    func logits(of samples: [ClassifierLearner.Sample]) -> [[Float]] { logits(of: samples.map(\.features)) }

    func losses(of samples: [ClassifierLearner.Sample]) -> [Double?] {
        zip(samples, logits(of: samples)).map { sample, logits in
            let largest = Double(logits.max() ?? 0)
            return largest + log(logits.reduce(0) { $0 + exp(Double($1) - largest) }) - Double(logits[sample.label])
        }
    }
}
