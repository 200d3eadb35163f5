import Tensors
import TensorsTesting
import Testing

@Suite struct GradientTests {
    @Test(arguments: (operatorCases + layerCases).indices)
    func everyOperatorAndLayerDifferentiatesExactly(index: Int) {
        let composition = (operatorCases + layerCases)[index]
        let check = GradientCheck(composition)
        #expect(check.gradientError < 1e-12, "\(composition.name)")
        #expect(check.hessianAsymmetry < 1e-12, "\(composition.name)")
        #expect(check.floatError < 2e-5, "\(composition.name)")
        #expect(check.isRepeatable, "\(composition.name)")
    }

    /// The check finds an error of one part in a million.
    @Test func aWrongBackwardIsFound() {
        #expect(GradientCheck(WrongCase()).gradientError > 1e-8)
    }
}

private struct WrongCase: Composition {
    let parameters = [Parameter("x", [8])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let x = Input(graph.parameter("x"))
        return graph.record(WrongOperator(x: x, y: graph.output([8], of: [x])))
    }
}

/// y = x, whose backward says 1.000001.
private struct WrongOperator<S: Scalar>: Operator {
    let x: Input<S>
    let y: Tensor<S>
    var inputs: [Input<S>] { [x] }
    var outputs: [Tensor<S>] { [y] }

    func forward(_ share: Share) {
        if share.isFirst { y.set(x.tensor.values) }
    }

    func backward(_ share: Share) {
        guard share.isFirst, let dx = x.gradient else { return }
        for i in 0..<x.count { dx[i] = (x.accumulates ? dx[i] : .zero) + S(1.000_001) * y.gradient[i] }
    }
}
