import CAllocations
import Foundation
import Statistics
import StrictJSON
import Tensors
import Testing
@testable import Learning

/// Weights and gradients of three parameters, two of which end between sixteens.
private struct Toy {
    let weights: ParameterStore<Float>
    let gradients: ParameterStore<Float>
    let target: [Float]

    init(learning names: [String] = ["matrix", "vector", "long"], long: Int = 40, seed: UInt64 = 1) {
        let all = ParameterLayout([Parameter("matrix", [3, 7]), Parameter("vector", [5]), Parameter("long", [2, long])])
        weights = ParameterStore(all)
        gradients = ParameterStore(ParameterLayout(all.parameters.filter { names.contains($0.name) }))
        var random = RandomSource(seed: seed)
        for place in weights.values.indices { weights.values[place] = Float(random.normal()) }
        target = weights.values.map { _ in Float(random.normal()) }
    }

    /// Half the squared distance to the target; its gradients are left in `gradients`.
    @discardableResult
    func loss() -> Double {
        for parameter in gradients.layout.parameters {
            let range = weights.layout.range(of: parameter.name)!
            for (place, index) in range.enumerated() { gradients[parameter.name][place] = weights.values[index] - target[index] }
        }
        return zip(weights.values, target).reduce(0) { $0 + 0.5 * Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    }

    func optimizer(_ name: String, _ settings: JSON = [:], team: Team = .solo) throws -> Optimizer {
        Optimizer(try updateRule(name, settings: settings), parameters: weights, gradients: gradients, team: team)
    }
}

@Suite struct OptimizerTests {
    #if arch(x86_64)
        /// Of the weights, sixteen have neither gradients nor moments.
        @Test(.enabled(if: WeightRun.hasAVX2), arguments: [(0, false), (0.1, false), (0.1, true)])
        func adamTakesTheSameStepOnEveryProcessor(_ decay: Double, _ isDecoupled: Bool) throws {
            let rule = AdaptiveRule(learningRate: 0.01, weightDecay: decay, decoupled: isDecoupled)
            let numbers = (0..<2).map { _ in
                let toy = Toy(), still = [Float](repeating: 0, count: 16)
                let moments = ([Float](repeating: 0.25, count: 32) + still) + ([Float](repeating: 0.25, count: 32) + still)
                return (toy.weights.values[0..<48].map { $0 }, toy.target.prefix(32) + still, moments)
            }
            let stepped = zip(numbers, [rule.updateInSixteens, rule.updateInEights]).map { start, update in
                var (weights, gradients, moments) = start
                for number in 1...3 {
                    weights.withUnsafeMutableBufferPointer { weights in
                        gradients.withUnsafeMutableBufferPointer { gradients in
                            moments.withUnsafeMutableBufferPointer { moments in
                                let run = WeightRun(
                                    parameter: 0, count: 48, decays: true, weights: weights.baseAddress!,
                                    gradients: UnsafePointer(gradients.baseAddress!), first: moments.baseAddress!,
                                    second: moments.baseAddress! + 48)
                                update(run, OptimizerStep(number: number, learningRate: 0.01, gradientScale: 0.7))
                            }
                        }
                    }
                }
                return weights + moments
            }
            #expect(stepped[0] == stepped[1] && stepped[0] != numbers[0].0 + numbers[0].2)
        }

        @Test(.enabled(if: WeightRun.hasAVX2), arguments: [0, 7, 8, 19])
        func oneWeightThatIsNotFiniteIsFound(at place: Int) {
            for count in [20, 33] {
                for broken in [Float.nan, .infinity, -.infinity, .greatestFiniteMagnitude] {
                    var weights = [Float](repeating: 1, count: count)
                    weights[place] = broken
                    let gradients = weights
                    weights.withUnsafeMutableBufferPointer { weights in
                        gradients.withUnsafeBufferPointer { gradients in
                            WeightRun(
                                parameter: 0, count: count, decays: true, weights: weights.baseAddress!, gradients: gradients.baseAddress!,
                                first: nil, second: nil
                            ).resetWhereNotFinite()
                        }
                    }
                    #expect(weights.enumerated().allSatisfy { $1 == ($0 == place ? (broken.isFinite ? broken : 0) : 1) })
                }
            }
        }
    #endif

    /// PyTorch's and timm's numbers, written by `Golden/optimizers.py`.
    @Test func stepsAsPyTorchSteps() throws {
        struct Golden: Decodable {
            struct Case: Decodable {
                let optimizer: String
                let settings: JSON
                let weights: [String: [Float]]
            }
            let shapes: [String: [Int]]
            let start: [String: [Float]]
            let gradients: [[String: [Float]]]
            let cases: [Case]
        }
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../Golden/optimizers.json")
            .standardizedFileURL
        let golden = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
        #expect(golden.cases.count == 9)
        let layout = ParameterLayout(golden.shapes.map { Parameter($0, $1) })
        for one in golden.cases {
            let weights = ParameterStore<Float>(layout), gradients = ParameterStore<Float>(layout)
            for (name, numbers) in golden.start { _ = weights[name].update(from: numbers) }
            let optimizer = Optimizer(try updateRule(one.optimizer, settings: one.settings), parameters: weights, gradients: gradients)
            for step in golden.gradients {
                for (name, numbers) in step { _ = gradients[name].update(from: numbers) }
                optimizer.step()
            }
            for (name, expected) in one.weights {
                for (got, want) in zip(weights[name], expected) {
                    #expect(abs(got - want) <= 2e-6 * max(1, abs(want)), "\(one.optimizer) \(one.settings) \(name)")
                }
            }
        }
    }

    @Test(arguments: optimizers.map(\.key))
    func lowersTheLossOfAToy(_ name: String) throws {
        let toy = Toy()
        let optimizer = try toy.optimizer(name, ["learning_rate": 0.05])
        let before = toy.loss()
        for _ in 0..<100 {
            toy.loss()
            optimizer.step()
        }
        #expect(toy.loss() < 0.3 * before)
        #expect(optimizer.steps == 100 && optimizer.skipped == 0)
    }

    @Test(arguments: optimizers.map(\.key))
    func repeatsToTheBitWithAnyNumberOfThreads(_ name: String) throws {
        let one = Toy(long: 40_001), two = Toy(long: 40_001)
        let alone = try one.optimizer(name, ["clip_norm": 1]), together = try two.optimizer(name, ["clip_norm": 1], team: Team(count: 3))
        for _ in 0..<5 {
            #expect(one.loss() == two.loss())
            #expect(alone.step() == together.step())
        }
        #expect(Array(one.weights.values) == Array(two.weights.values))
    }

    @Test(arguments: optimizers.map(\.key))
    func goesOnExactlyAfterSavingAndRestoring(_ name: String) throws {
        let uninterrupted = Toy(), interrupted = Toy()
        let first = try uninterrupted.optimizer(name)
        var second = try interrupted.optimizer(name)
        for step in 0..<20 {
            if step == 9 {
                let state = second.state
                second = try interrupted.optimizer(name)
                try second.restore(state)
            }
            uninterrupted.loss()
            interrupted.loss()
            #expect(first.step() == second.step())
        }
        #expect(Array(uninterrupted.weights.values) == Array(interrupted.weights.values))
    }

    @Test(arguments: optimizers.map(\.key), [Float.nan, .infinity, -.infinity])
    func aGradientThatIsNotFiniteChangesNothing(_ name: String, _ poison: Float) throws {
        let toy = Toy()
        let optimizer = try toy.optimizer(name)
        toy.loss()
        optimizer.step()
        let (weights, state) = (Array(toy.weights.values), optimizer.state)
        toy.loss()
        toy.gradients["long"][3] = poison
        #expect(!optimizer.step().stepped)
        #expect(Array(toy.weights.values) == weights)
        #expect(optimizer.state.tensors == state.tensors && optimizer.steps == 1 && optimizer.skipped == 1)
    }

    @Test func greatGradientsAreNotTakenForInfinite() throws {
        let toy = Toy()
        let optimizer = try toy.optimizer("sgd", ["clip_norm": 1])
        toy.gradients.values.update(repeating: 1e30)
        #expect(optimizer.step().stepped)
        #expect(toy.weights.values.allSatisfy { $0.isFinite })
    }

    @Test(arguments: optimizers.map(\.key))
    func whatDoesNotLearnStaysAndCostsNothing(_ name: String) throws {
        let toy = Toy(learning: ["vector"])
        let optimizer = try toy.optimizer(name)
        let before = Array(toy.weights.values)
        toy.loss()
        optimizer.step()
        let moved = zip(toy.weights.values, before).map { $0 != $1 }
        #expect(moved == (0..<before.count).map { toy.weights.layout.range(of: "vector")!.contains($0) })
        #expect(optimizer.moments.allSatisfy { $0.layout.count == 5 })
    }

    @Test(.enabled(if: isOptimized, "an unoptimised build boxes what the optimiser keeps on the stack"), arguments: optimizers.map(\.key))
    func aStepAllocatesNothing(_ name: String) throws {
        let toy = Toy()
        let optimizer = try toy.optimizer(name, ["clip_norm": 1, "schedule": ["shape": "cosine"]])
        toy.loss()
        optimizer.step()
        let before = CAllocationsOfThisThread()
        optimizer.step()
        #expect(CAllocationsOfThisThread() == before)
    }

    @Test func vectorsNeedNotDecay() throws {
        let toy = Toy()
        let optimizer = try toy.optimizer("adamw", ["learning_rate": 0.1, "weight_decay": 1, "decay_vectors": false])
        let before = Array(toy.weights["vector"]), matrix = Array(toy.weights["matrix"])
        toy.gradients.values.update(repeating: 0)
        optimizer.step()
        #expect(Array(toy.weights["vector"]) == before)
        #expect(zip(toy.weights["matrix"], matrix).allSatisfy { abs($0 - 0.9 * $1) < 1e-6 })
    }

    @Test(arguments: optimizers.map(\.key))
    func accumulatedBatchesCountByTheirMean(_ name: String) throws {
        let one = Toy(), two = Toy()
        let single = try one.optimizer(name), double = try two.optimizer(name)
        for _ in 0..<3 {
            one.loss()
            two.loss()
            for place in two.gradients.values.indices { two.gradients.values[place] *= 2 }
            single.step()
            double.step(averaging: 2)
        }
        #expect(Array(one.weights.values) == Array(two.weights.values))
    }

    @Test func clippingShortensTheWholeGradient() throws {
        let toy = Toy()
        let optimizer = try toy.optimizer("sgd", ["learning_rate": 1, "clip_norm": 0.5])
        let before = Array(toy.weights.values)
        toy.loss()
        let outcome = optimizer.step()
        let length = zip(toy.weights.values, before).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }.squareRoot()
        #expect(outcome.gradientNorm > 0.5 && abs(length - 0.5) < 1e-5)
    }

    @Test func adamIsLAMBWithoutTrust() throws {
        let one = Toy(), two = Toy()
        let adam = try one.optimizer("adam"), lamb = try two.optimizer("lamb", ["weight_decay": 0, "epsilon": 1e-8])
        for _ in 0..<5 {
            one.loss()
            two.loss()
            adam.step()
            lamb.step()
        }
        for (a, b) in zip(one.weights.values, two.weights.values) { #expect(abs(a - b) < 1e-6) }
    }

    @Test func aSavedStateThatDoesNotFitIsRefusedWhole() throws {
        let toy = Toy()
        let adam = try toy.optimizer("adam"), momentum = try toy.optimizer("momentum")
        toy.loss()
        adam.step()
        #expect(throws: Optimizer.StateError.self) { try momentum.restore(adam.state) }
        var state = adam.state
        state.tensors["first_moment.vector"] = [1]
        let before = adam.state
        #expect(throws: Optimizer.StateError.self) { try adam.restore(state) }
        #expect(adam.state == before)
    }

    @Test(
        arguments: [
            ("adam", ["momentum": 0.9]), ("adam", ["beta1": 1]), ("nesterov", ["momentum": 0]), ("sgd", ["learning_rate": -1]),
            ("lamb", ["decoupled": true]), ("adam", ["schedule": ["shape": "square"]]), ("adam", ["schedule": ["steps": 3]]),
            ("adam", ["schedule": ["shape": "cosine", "total_steps": 5, "warmup_steps": 5]]), ("rmsprop", [:]),
        ] as [(String, JSON)])
    func refusesSettingsThatMakeNoSense(_ name: String, _ settings: JSON) {
        #expect(throws: SettingsError.self) { try updateRule(name, settings: settings) }
    }
}

@Suite struct ScheduleTests {
    private func shares(_ settings: JSON, at steps: [Int]) throws -> [Double] {
        let schedule = try Schedule(settings)
        return steps.map { (schedule.share(at: $0) * 1e9).rounded() / 1e9 }
    }

    @Test func constantIsOneAfterItsWarmup() throws {
        #expect(try shares(["warmup_steps": 4], at: [1, 2, 4, 5, 1000]) == [0.25, 0.5, 1, 1, 1])
    }

    @Test func cosineFallsToItsShare() throws {
        #expect(
            try shares(["shape": "cosine", "warmup_steps": 10, "total_steps": 110, "final_share": 0.2], at: [10, 60, 110, 500]) == [
                1, 0.6, 0.2, 0.2,
            ])
    }

    @Test func inverseSquareRootHalvesInFourTimesTheSteps() throws {
        #expect(try shares(["shape": "inverse_square_root", "warmup_steps": 100], at: [50, 100, 400]) == [0.5, 1, 0.5])
    }
}

#if DEBUG
    private let isOptimized = false
#else
    private let isOptimized = true
#endif
