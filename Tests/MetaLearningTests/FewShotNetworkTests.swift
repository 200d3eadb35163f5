import MetaLearning
import Tensors
import TensorsTesting
import Testing

@Suite struct FewShotNetworkTests {
    @Test(arguments: ChannelNorm.allCases) func differentiatesExactly(_ norm: ChannelNorm) {
        let check = GradientCheck(Logits(network: FewShotNetwork(side: 6, channels: [4, 3], classes: 3, norm: norm)))
        #expect(check.gradientError < 1e-12)
        #expect(check.hessianAsymmetry < 1e-11)
        #expect(check.floatError < 1e-4)
        #expect(check.isRepeatable)
    }

    /// With prototypes and no step, an image is answered with the class of the nearest mean.
    @Test func prototypesAnswerWithTheNearestMean() {
        let network = FewShotNetwork(side: 6, channels: [4], classes: 2, norm: .none)
        var generator = SplitMix64(state: 3)
        let meta: ParameterStore<Double> = network.initialStore(using: &generator), task = ParameterStore<Double>(network.layout)
        let dark = [Float](repeating: 0.1, count: 36), light = [Float](repeating: 0.9, count: 36)
        let support = LabelledImages(pixels: dark + light, labels: [1, 0])
        let loss = FewShotLoss(network, parameters: task, images: 2)
        let start = PrototypeStart<Double>(network, images: 2)
        let adapting = MetaGradient(support: loss, query: loss, start: start)
        adapting.adapt(support, from: meta, rates: ParameterStore(network.layout), steps: 0)
        loss.put(support)
        #expect(loss.accuracy() == 1)
        loss.put(LabelledImages(pixels: dark + light, labels: [0, 1]))
        #expect(loss.accuracy() == 0)
    }
}

private struct Logits: Composition {
    let network: FewShotNetwork
    var name: String { "few-shot network, \(network.norm)" }
    var parameters: [Parameter] { network.parameters }

    func record<S: Scalar>(in graph: Graph<S>) -> Tensor<S> {
        network.classify(network.embed(graph.example([3, network.side, network.side, 1]), in: graph), in: graph)
    }
}
