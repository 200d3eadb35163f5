import ArgumentParser
import Foundation
import Model
import Statistics
import Tensors

/// Measures the time of the matrix products of a training step, of plain calls of SGEMM, and of the whole step.
struct ProductsBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "products", abstract: "Compares the time of the matrix products of a GPT-2's training step with plain SGEMM.",
        discussion: """
            Every projection's three products (forward, towards the input, towards the weight) run as a step runs them, cut among the \
            threads; then each as one plain call on one thread, whose time over the number of threads is the measure. Rounds take turns.

            Example: accrete-bench products --shape small-8x64 --shape 124m-1x128
            """)

    @Option(help: ArgumentHelp("SIZE-BATCHxTIME as of `training`; repeatable.", valueName: "shape"))
    var shape = ["small-1x64", "small-8x64", "124m-1x64", "124m-1x128", "124m-4x64"]

    @Option(help: "Threads.")
    var threads = 2

    @Option(help: "Rounds; medians count.")
    var rounds = 9

    func run() throws {
        for name in shape {
            guard let shape = TrainingShape(name) else { throw ValidationError("there is no shape '\(name)'; an example is small-8x64") }
            let products = StepProducts(shape, team: Team(count: threads)), trainer = try Trainer(shape, threads: threads)
            var ours: [Double] = [], plain: [Double] = [], steps: [Double] = []
            for _ in 0..<rounds {
                ours.append(products.seconds())
                plain.append(products.plainSeconds() / Double(threads))
                steps.append(trainer.secondsPerStep(for: 0))
            }
            let shares = zip(plain, ours).map { $0 / $1 }, parts = zip(ours, steps).map { $0 / $1 }
            print(
                String(
                    format: "%-11@ products %8.1f ms, plain SGEMM %8.1f ms: %.2f of it; step %8.1f ms, products %.2f of it", name,
                    median(ours) * 1e3, median(plain) * 1e3, median(shares), median(steps) * 1e3, median(parts)))
        }
    }
}

/// A model's projections and its head, each with an input of its own.
private final class StepProducts {
    private let graph: Graph<Float>
    private let outputs: [Tensor<Float>]
    private let inputs: [(x: Tensor<Float>, weight: String, isTransposed: Bool)]

    init(_ shape: TrainingShape, team: Team) {
        let c = shape.configuration, rows = shape.batch * shape.time
        var random = RandomSource(seed: 1)
        graph = Graph(
            parameters: GPT2(c).initialStore(using: &random), learning: { $0.shape.count == 2 && $0.name != "wpe.weight" }, team: team)
        var inputs: [(Tensor<Float>, String, Bool)] = [], outputs: [Tensor<Float>] = []
        for parameter in graph.gradients.layout.parameters {
            let isHead = parameter.name == "wte.weight"
            let x = graph.input([rows, parameter.shape[isHead ? 1 : 0]], needsGradient: true)
            for i in x.values.indices { x.values[i] = Float(random.uniform()) }
            let y = graph.linear(x, weight: graph.parameter(parameter.name), transposed: isHead)
            for i in y.gradient.indices { y.gradient[i] = Float(i % 7) - 3 }
            inputs.append((x, parameter.name, isHead))
            outputs.append(y)
        }
        self.inputs = inputs
        self.outputs = outputs
    }

    /// As a step runs them.
    func seconds() -> Double {
        ContinuousClock().measure {
            graph.forward()
            graph.backward(seeded: outputs)
        } / .seconds(1)
    }

    /// One call each, on this thread.
    func plainSeconds() -> Double {
        ContinuousClock().measure {
            for ((x, name, isTransposed), y) in zip(inputs, outputs) {
                let W = graph.parameters[name].baseAddress!, dW = graph.gradients[name].baseAddress!
                let rows = x.rows, K = x.columns, N = y.columns, width = isTransposed ? K : N
                product(
                    Matrix(x.values.baseAddress!, stride: K), Matrix(W, stride: width, transposed: isTransposed), y.values, N, rows, N, K)
                product(
                    Matrix(y.gradient.baseAddress!, stride: N), Matrix(W, stride: width, transposed: !isTransposed), x.gradient, K, rows, K,
                    N)
                let (left, right) = isTransposed ? (y.gradient, x.values) : (x.values, y.gradient)
                let (height, across) = isTransposed ? (N, K) : (K, N)
                product(
                    Matrix(left.baseAddress!, stride: height, transposed: true), Matrix(right.baseAddress!, stride: across),
                    UnsafeMutableBufferPointer(start: dW, count: height * across), across, height, across, rows)
            }
        } / .seconds(1)
    }

    private func product(
        _ a: Matrix<Float>, _ b: Matrix<Float>, _ c: UnsafeMutableBufferPointer<Float>, _ stride: Int, _ m: Int, _ n: Int, _ k: Int
    ) {
        Float.multiply(a, b, into: c.baseAddress!, stride: stride, m: m, n: n, k: k, alpha: 1, beta: 0)
    }
}

private func median(_ numbers: [Double]) -> Double { numbers.sorted()[numbers.count / 2] }
