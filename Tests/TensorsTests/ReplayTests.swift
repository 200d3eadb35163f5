import CAllocations
import Layers
import Tensors
import TensorsTesting
import Testing

@Suite struct ReplayTests {
    @Test(.enabled(if: isOptimized, "an unoptimised build boxes what the optimiser keeps on the stack"))
    func aStepAllocatesNothing() {
        let block = BlockCase(), store = ParameterStore<Float>(ParameterLayout(block.parameters))
        let graph = Graph(parameters: store)
        let loss = graph.mean(graph.activate(block.record(in: graph), .square))
        let step = {
            graph.forward()
            graph.backward(from: loss)
        }
        for _ in 0..<3 { step() }
        let before = CAllocationsOfThisThread()
        step()
        #expect(CAllocationsOfThisThread() == before)
        _ = [Float](repeating: 1, count: 100_000)
        #expect(CAllocationsOfThisThread() > before, "the counter counts")
    }

    @Test(arguments: [1, 2, 3])
    func aTeamRepeatsItselfToTheBit(count: Int) {
        let gradients = (0..<2).map { _ in
            let composition = BlockCase(), store = ParameterStore<Float>(ParameterLayout(composition.parameters))
            var generator = SplitMix64(state: 11)
            store.values.fillNormal(deviation: 1, using: &generator)
            let graph = Graph(parameters: store, team: Team(count: count))
            let loss = graph.mean(graph.activate(composition.record(in: graph), .square))
            graph.forward()
            graph.backward(from: loss)
            return Array(graph.gradients.values)
        }
        #expect(gradients[0] == gradients[1])
    }

    /// Two threads replay two graphs with one team: each gets the right numbers.
    @Test func oneTeamServesSeveralCallers() async {
        let team = Team(count: 2)
        let sums = await withTaskGroup(of: Float.self) { group in
            for task in 1...4 {
                group.addTask {
                    let store = ParameterStore<Float>(ParameterLayout([Parameter("x", [256, 256])]))
                    store.values.fill(Double(task))
                    let graph = Graph(parameters: store, team: team)
                    let y = graph.mean(graph.affine(graph.parameter("x"), scale: 2))
                    for _ in 0..<50 { graph.forward() }
                    return y.value
                }
            }
            return await group.reduce(into: Set<Float>()) { $0.insert($1) }
        }
        #expect(sums == [2, 4, 6, 8])
    }

    /// Six blocks: shared memory changes no bit of loss and gradients; without gradients, it is that of one block and the results.
    @Test func sharedMemoryChangesNoBit() {
        let store = ParameterStore<Float>(ParameterLayout([Parameter("x", [4, 32]), Parameter("w", [32, 32])]))
        var generator = SplitMix64(state: 5)
        store.values.fillNormal(deviation: 0.3, using: &generator)
        func run(shares: Bool, learns: Bool) -> (loss: Float, gradients: [Float], count: Int) {
            let graph = learns ? Graph(parameters: store) : .predicting(parameters: store)
            let w = graph.parameter("w")
            func block(_ x: Tensor<Float>) -> Tensor<Float> {
                graph.add(x, graph.activate(graph.linear(graph.activate(graph.linear(x, weight: w), .tanh), weight: w), .gelu))
            }
            let y = (0..<6).reduce(graph.parameter("x")) { x, _ in shares ? graph.sharing(x, block) : block(x) }
            let loss = graph.mean(graph.activate(y, .square))
            graph.forward()
            if learns { graph.backward(from: loss) }
            return (loss.value, Array(graph.gradients.values), graph.activationCount)
        }
        let apart = run(shares: false, learns: true), together = run(shares: true, learns: true)
        #expect(apart.loss == together.loss && apart.gradients == together.gradients && together.count < apart.count)
        let alone = run(shares: false, learns: false), shared = run(shares: true, learns: false)
        #expect(alone.loss == apart.loss && shared.loss == apart.loss && 2 * shared.count < alone.count)
    }

    @Test func frozenParametersHaveNoGradientMemory() {
        let store = ParameterStore<Float>(ParameterLayout([Parameter("a", [8]), Parameter("b", [16])]))
        let graph = Graph(parameters: store, learning: { $0.name == "b" })
        #expect(graph.gradients.values.count == 16)
        #expect(!graph.parameter("a").needsGradient && graph.parameter("b").needsGradient)
        #expect(!graph.activate(graph.parameter("a"), .relu).needsGradient)
    }

    @Test func sharesCoverEverythingOnce() {
        for n in [0, 1, 15, 16, 17, 100, 1_000] {
            for count in 1...5 {
                let parts = (0..<count).map { Share(index: $0, of: count).of(n, multiple: 16, grain: 20) }
                #expect(parts.flatMap(Array.init) == Array(0..<n))
            }
        }
    }
}

#if DEBUG
    private let isOptimized = false
#else
    private let isOptimized = true
#endif

@Suite struct LanesTests {
    /// The SIMD functions compared with the C library's in double precision.
    @Test func lanesAgreeWithTheLibrary() {
        for i in stride(from: -80.0, through: 80.0, by: 0.37) {
            let x = SIMD16<Float>(i), exact = Double.exp(Double(x[0]))
            #expect(abs(Double(SIMD16<Float>.exp(x)[5]) - exact) <= 2e-7 * exact)
            #expect(abs(Double(SIMD16<Float>.tanh(x)[5]) - Double.tanh(Double(x[0]))) <= 2e-7)
        }
    }

    @Test func productsKeepNothingOfWhatWasThereBefore() {
        let a: [Float] = [1, 2], b: [Float] = [3, 4]
        var c: [Float] = [.nan]
        c.withUnsafeMutableBufferPointer { c in
            Float.multiply(Matrix(a, stride: 2), Matrix(b, stride: 1), into: c.baseAddress!, stride: 1, m: 1, n: 1, k: 2, alpha: 1, beta: 0)
        }
        #expect(c == [11])
    }
}
