import Foundation
import Model
import Privacy
import Statistics
import Tensors
import Testing
@testable import Learning

struct PrivateLearningTests {
    // MARK: Clipped gradients

    /// Every subset of the modalities, some with labels, some with words, some with both.
    private static func moments(_ configuration: MultimodalConfiguration) -> [MomentInput] {
        TwoSenses.moments(12, seed: 3).enumerated().map { index, moment in
            var moment = moment
            if index & 1 == 0 { moment.senses["image"] = nil }
            if index & 2 == 0 { moment.senses["audio"] = nil }
            if index & 4 == 0 { moment.text = [] }
            if index % 5 == 4, !moment.text.isEmpty { moment.label = nil }
            if index == 11 { moment.answer = [98, 99] }
            return moment
        }
    }

    /// Each row's gradient in double precision, in a graph of several rows of which it is the only one; their clipped sum.
    private func expectExact(_ configuration: MultimodalConfiguration, _ name: String) throws {
        let model = try MultimodalModel(configuration), moments = Self.moments(configuration)
        var random = RandomSource(seed: 5)
        let parameters = model.initialStore(using: &random), exact = ParameterStore<Double>(parameters.layout)
        for (index, number) in parameters.values.enumerated() { exact.values[index] = Double(number) }
        let graph = MultimodalGraph(model, parameters: parameters, batch: 1, languageRows: 1)
        let reference = MultimodalGraph(model, parameters: exact, batch: 3, languageRows: 3)
        let gradients = moments.map { moment in
            reference.set(moment, row: 1)
            reference.forward()
            reference.backward()
            return Array(reference.gradients.values)
        }
        let norms = gradients.map { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        let clip = norms.sorted()[norms.count / 2]  // half of them are clipped
        var clipped = ClippedSum(graph, clip: clip), wanted = Array(repeating: 0.0, count: clipped.values.count)
        for (index, moment) in moments.enumerated() {
            let norm = clipped.add([moment]) { graph.set($0, row: 0) }
            #expect(abs(norm - norms[index]) <= 1e-4 * norms[index], "\(name), row \(index): \(norm) for \(norms[index])")
            for place in wanted.indices { wanted[place] += gradients[index][place] * min(1, clip / norms[index]) }
        }
        let error = zip(clipped.values, wanted).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
        let size = wanted.reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(size > 0 && error < 1e-4 * size, "\(name): \(error) of \(size)")
    }

    @Test(arguments: fusions.map(\.key))
    func clippedSumsOfEveryFusionAreThoseOfRowsOneByOne(_ fusion: String) throws {
        var configuration = TwoSenses.configuration
        configuration.fusion = fusion
        try expectExact(configuration, fusion)
    }

    @Test(arguments: encoders.map(\.key))
    func clippedSumsOfEveryEncoderAreThoseOfRowsOneByOne(_ encoder: String) throws {
        var configuration = TwoSenses.configuration
        for index in configuration.senses.indices { configuration.senses[index].encoder = encoder }
        try expectExact(configuration, encoder)
    }

    @Test func withoutClippingTheSumIsTheGradientOfTheBatch() throws {
        let model = try MultimodalModel(TwoSenses.configuration), moments = TwoSenses.moments(6, seed: 1)
        var random = RandomSource(seed: 2)
        let parameters = model.initialStore(using: &random)
        let one = MultimodalGraph(model, parameters: parameters, batch: 1, languageRows: 1)
        let all = MultimodalGraph(model, parameters: parameters, batch: 6, languageRows: 6)
        var sum = ClippedSum(one, clip: 1e9)
        for (row, moment) in moments.enumerated() {
            all.set(moment, row: row)
            sum.add([moment]) { one.set($0, row: 0) }
        }
        all.forward()
        all.backward()
        for (found, mean) in zip(sum.values, all.gradients.values) { #expect(abs(found - 6 * Double(mean)) < 1e-4) }
    }

    @Test func aUnitIsClippedAsAWholeHoweverManyMomentsItHas() throws {
        let model = try MultimodalModel(TwoSenses.configuration), moments = TwoSenses.moments(40, seed: 1)
        var random = RandomSource(seed: 2)
        let graph = MultimodalGraph(model, parameters: model.initialStore(using: &random), batch: 1, languageRows: 1)
        for count in [1, 2, 40] {
            var sum = ClippedSum(graph, clip: 0.01)
            let norm = sum.add(Array(moments.prefix(count))) { graph.set($0, row: 0) }
            let found = sum.values.reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(norm > 0.01 && found <= 0.01 && found > 0.0099, "\(count): \(found)")
        }
        var sum = ClippedSum(graph, clip: 1)
        sum.add([]) { graph.set($0, row: 0) }
        let place = graph.parameters.values.indices.first { graph.parameters.values[$0] != 0 }!
        graph.parameters.values[place] = .nan
        sum.add(moments) { graph.set($0, row: 0) }
        #expect(sum.values.allSatisfy { $0.isFinite }, "what is not finite adds nothing")
    }

    // MARK: Pool

    private func settings(_ change: (inout PrivateLearningSettings) -> Void = { _ in }) -> PrivacySettings {
        var settings = PrivacySettings()
        settings.learning.enabled = true
        (settings.learning.batch, settings.learning.pool, settings.learning.start, settings.learning.every) = (4, 64, 8, 2)
        (settings.learning.epsilon, settings.learning.noise) = (1_000, 1)
        change(&settings.learning)
        return settings
    }

    @Test func drawsDependOnHowManyCameNotOnWhatTheyHold() {
        var random = SecretRandomness(), sizes = 0.0
        let some = TwoSenses.moments(1, seed: 1)[0]
        for holds in [true, false] {
            var pool = PrivatePool(settings().learning, bytes: 1 << 20), due: [Int] = []
            for number in 1...40 {
                pool.add(.init(source: "a", moment: holds && number.isMultiple(of: 2) ? some : nil), using: &random)
                guard pool.isDue else { continue }
                due.append(number)
                let draw = pool.draw(using: &random)
                #expect(draw.samplingRate == 4 / Double(number) && abs(draw.expected - 4) < 1e-12)
                sizes += Double(draw.units.count)
            }
            #expect(due == Array(stride(from: 8, through: 40, by: 2)))
        }
        #expect(abs(sizes / 34 - 4) < 8 * (4.0 / 34).squareRoot(), "batches have the expected size in the mean: \(sizes / 34)")
    }

    @Test func aFullPoolHoldsAllThatCameWithTheSameProbability() {
        var random = SecretRandomness(), counts = Array(repeating: 0, count: 60)
        let rounds = 2_000
        for _ in 0..<rounds {
            var pool = PrivatePool(settings { ($0.pool, $0.start) = (20, 8) }.learning, bytes: 1 << 20)
            for number in 0..<60 { pool.add(.init(source: "\(number)", moment: nil), using: &random) }
            for place in pool.places { counts[Int(place.source)!] += 1 }
        }
        let error = 8 * (1.0 / 3 * (2.0 / 3) / Double(rounds)).squareRoot()
        #expect(counts.allSatisfy { abs(Double($0) / Double(rounds) - 1.0 / 3) < error }, "\(counts)")
    }

    @Test func inTheirOrderMomentsAreInOneStepEach() {
        var random = SecretRandomness(), pool = PrivatePool(settings { $0.sampling = .order }.learning, bytes: 1 << 20), seen: [Int] = []
        for number in 0..<22 {
            pool.add(.init(source: "a", moment: MomentInput(text: [number])), using: &random)
            guard pool.isDue else { continue }
            let draw = pool.draw(using: &random)
            #expect(draw.samplingRate == 1 && draw.expected == 4)
            seen += draw.units.flatMap { $0 }.flatMap(\.text)
        }
        #expect(seen == Array(0..<20))
    }

    @Test func unitsAreDrawnAsAWhole() {
        var random = SecretRandomness()
        var pool = PrivatePool(settings { ($0.unit, $0.start, $0.batch, $0.unitMoments) = (.session, 2, 2, 3) }.learning, bytes: 1 << 20)
        for number in 0..<30 {
            let session = number % 5 == 0 ? "a" : "b"
            pool.add(.init(unit: session, source: session, moment: MomentInput(text: [number % 5])), using: &random)
        }
        #expect(pool.units == 2 && pool.isDue)
        let draw = pool.draw(using: &random)
        #expect(draw.samplingRate == 1 && draw.expected == 2 && draw.units.map(\.count) == [3, 3])
        #expect(draw.units.allSatisfy { Set($0.map { $0.text == [0] }).count == 1 }, "no unit has moments of another")
        #expect(pool.forget(source: "b") == 24 && pool.units == 2 && pool.places.count == 30, "forgotten moments leave their places")
    }

    @Test func aMomentThatIsTooLargeHasAPlaceOnly() {
        var random = SecretRandomness(), pool = PrivatePool(settings().learning, bytes: 64 * 1_000)
        pool.add(.init(source: "a", moment: MomentInput(text: Array(repeating: 1, count: 200))), using: &random)
        pool.add(.init(source: "a", moment: MomentInput(text: [1])), using: &random)
        #expect(pool.places.map { $0.moment != nil } == [false, true])
    }

    // MARK: Steps

    private func learner(
        _ privacy: PrivacySettings, strategy: String = "er", optimizer: String = "sgd", rate: Double = 0.1, trunk: String = "all"
    ) throws -> OnlineLearner {
        var learning = OnlineLearner.Configuration()
        (learning.strategy, learning.optimizer, learning.trunk) = (strategy, optimizer, trunk)
        (learning.languageRows, learning.modalityDropout) = (1, 0)
        learning.optimizerSettings = ["learning_rate": .number(rate)]
        return try OnlineLearner(MultimodalModel(TwoSenses.configuration), learning, seed: 1, privacy: privacy)
    }

    @Test func withoutMomentsAStepIsNoiseOfItsDeviation() throws {
        let learner = try learner(settings { ($0.noise, $0.clip) = (2, 0.5) })
        for _ in 0..<8 { #expect(try learner.learn(MomentInput()) == nil) }
        #expect(learner.steps == 1 && learner.privacyLedger?.steps == 1)
        let gradient = learner.graph.moments.gradients.values.map(Double.init), count = Double(gradient.count)
        let deviation = (gradient.reduce(0) { $0 + $1 * $1 } / count).squareRoot()
        #expect(abs(deviation - 2 * 0.5 / 4) < 8 * 0.25 / (2 * count).squareRoot(), "\(deviation)")
    }

    @Test func whatDoesNotLearnGetsNoNoise() throws {
        let learner = try learner(settings(), strategy: "heads", trunk: "frozen")
        let before = learner.parameters.copy()
        for moment in TwoSenses.moments(12, seed: 1) { try learner.learn(moment) }
        #expect(learner.steps > 0)
        let learned = Set(learner.graph.moments.gradients.layout.parameters.map(\.name))
        for parameter in learner.parameters.layout.parameters {
            let isSame = Array(learner.parameters[parameter.name]) == Array(before[parameter.name])
            #expect(isSame != learned.contains(parameter.name), "\(parameter.name)")
        }
        #expect(!learned.isEmpty && learned.count < learner.parameters.layout.parameters.count)
    }

    @Test func stepsAreCountedWithTheRateTheyWereDrawnWith() throws {
        let learner = try learner(settings())
        var accountant = PrivacyAccountant()
        for (number, moment) in TwoSenses.moments(80, seed: 1).enumerated() {
            try learner.learn(moment)
            let held = min(64, number + 1)
            if held >= 8, number % 2 == 1 { accountant.add(try SampledGaussian(samplingRate: 4 / Double(held), noise: 1)) }
        }
        #expect(learner.privacyLedger?.steps == 37 && learner.steps == 37)
        #expect(abs(try learner.privacyLedger!.epsilon(delta: 1e-5) - accountant.spent(delta: 1e-5).epsilon) < 1e-9)
    }

    @Test func inTheirOrderMomentsAreReleasedOnceAndSessionsWithEveryStep() throws {
        func epsilon(_ unit: PrivateLearningSettings.Unit, _ count: Int, restarts: Int = 0) throws -> Double {
            let privacy = settings { ($0.sampling, $0.unit, $0.noise) = (.order, unit, 4) }
            var learner = try learner(privacy)
            for start in 0...restarts {
                if start > 0 {
                    let ledger = learner.privacyLedger
                    learner = try self.learner(privacy)
                    try learner.spend(from: ledger) { _ in }
                }
                for moment in TwoSenses.moments(count, seed: 1) { try learner.learn(moment, source: "a") }
            }
            return learner.privacyLedger!.epsilon(delta: 1e-5)
        }
        func released(_ steps: UInt64) throws -> Double {
            var accountant = PrivacyAccountant()
            accountant.add(try SampledGaussian(samplingRate: 1, noise: 4), steps: steps)
            return try accountant.spent(delta: 1e-5).epsilon
        }
        #expect(abs(try epsilon(.moment, 64) - released(1)) < 1e-9)
        #expect(abs(try epsilon(.moment, 64, restarts: 2) - released(3)) < 1e-9, "moments may come again after each start")
        #expect(abs(try epsilon(.session, 64) - released(16)) < 1e-9)
    }

    @Test func learningStopsBeforeTheBudgetIsExceededAndTheModelGoesOnServing() throws {
        let learner = try learner(settings { ($0.epsilon, $0.noise) = (4, 1) })
        var last: (steps: Int, parameters: [Float]) = (0, [])
        for moment in TwoSenses.moments(300, seed: 1) {
            let outcome = try #require(try learner.learn(moment))
            #expect(outcome.isRight != nil && outcome.stepped)
            if learner.isBudgetSpent, last.steps == 0 { last = (learner.steps, Array(learner.parameters.values)) }
        }
        #expect(learner.isBudgetSpent && last.steps > 0 && learner.steps == last.steps)
        let isSame = Array(learner.parameters.values) == last.parameters
        #expect(isSame)
        let spent = learner.privacyLedger!.epsilon(delta: 1e-5)
        #expect(spent <= 4 && spent > 3, "\(spent)")
    }

    @Test func aStepIsCountedBeforeItIsMade() throws {
        struct DiskFull: Error {}
        let learner = try learner(settings())
        let before = Array(learner.parameters.values)
        var counted: [UInt64] = [], isFull = false
        try learner.spend(from: nil) { ledger in
            if isFull { throw DiskFull() }
            if counted.isEmpty {
                let isSame = Array(learner.parameters.values) == before
                #expect(isSame, "the step has not been made")
            }
            counted.append(ledger.steps)
        }
        for moment in TwoSenses.moments(12, seed: 1) { try learner.learn(moment) }
        #expect(counted == [1, 2, 3] && learner.steps == 3 && learner.privacyProblem == nil)
        isFull = true
        let middle = Array(learner.parameters.values)
        for moment in TwoSenses.moments(4, seed: 2) { try learner.learn(moment) }
        let isSame = Array(learner.parameters.values) == middle
        #expect(isSame && learner.steps == 3, "what cannot be counted is not made")
        #expect(learner.privacyProblem != nil && learner.privacyLedger?.steps == 3)
    }

    @Test func aRestoredLearnerHasItsPoolAndWhatWasSpent() throws {
        let first = try learner(settings { $0.unit = .session })
        for (number, moment) in TwoSenses.moments(30, seed: 4).enumerated() { try first.learn(moment, source: "s\(number % 11)") }
        let state = first.state
        let progress = try JSONDecoder().decode(
            OnlineLearner.State.Progress.self, from: JSONEncoder().encode(state.progress))
        let second = try learner(settings { $0.unit = .session })
        try second.restore(.init(progress: progress, tensors: state.tensors))
        #expect(second.privacyLedger == first.privacyLedger && second.privacyLedger!.steps > 5)
        #expect(second.privacy!.pool.places.map(\.moment) == first.privacy!.pool.places.map(\.moment))
        #expect(second.privacy!.pool.units == 11 && second.memoryBytes == first.memoryBytes)

        var more = first.privacyLedger!
        more.count(try SampledGaussian(samplingRate: 1, noise: 1))
        try second.spend(from: more) { _ in }
        #expect(second.privacyLedger == more, "a file that is newer than the checkpoint counts")
        try second.spend(from: first.privacyLedger) { _ in }
        #expect(second.privacyLedger == more, "nothing is taken back")

        let other = try learner(settings())
        #expect(throws: Optimizer.StateError.self) { try other.restore(state) }
        let plain = try learner(PrivacySettings())
        for moment in TwoSenses.moments(3, seed: 4) { try plain.learn(moment) }
        #expect(throws: Optimizer.StateError.self) { try first.restore(plain.state) }
        var damaged = progress
        damaged.privacy?.pool.offered = 1
        #expect(throws: Optimizer.StateError.self) { try second.restore(.init(progress: damaged, tensors: state.tensors)) }
        #expect(throws: Optimizer.StateError.self) { try second.restore(.init(progress: progress, tensors: [:])) }
    }

    @Test func nothingLearnsBesideTheMechanism() throws {
        for strategy in ["der++", "er-ace", "mir", "lwf", "student", "ewc", "never", "er, ewc"] {
            #expect(throws: SettingsError.self, "\(strategy)") { try self.learner(settings(), strategy: strategy) }
        }
        let learner = try learner(settings())
        for moment in TwoSenses.moments(20, seed: 1) { try learner.learn(moment) }
        let before = Array(learner.parameters.values)
        var corrected = TwoSenses.moments(1, seed: 2)[0]
        corrected.answer = [98, 99]
        #expect(!learner.correct(by: corrected) && !learner.rehearse())
        learner.stepAgain(with: corrected)
        #expect(throws: SettingsError.self) { try learner.switchStrategy(to: "ewc") }
        #expect(throws: SettingsError.self) { try learner.switchOptimizer(to: "adam") }
        let isSame = Array(learner.parameters.values) == before
        #expect(isSame)
        #expect(try learner.remember(corrected) && learner.privacy!.pool.places.count == 21)
    }

    @Test func withLittleNoiseItLearns() throws {
        let privacy = settings { ($0.noise, $0.batch, $0.pool, $0.start, $0.every) = (0.1, 64, 400, 64, 1) }
        let learner = try learner(privacy, optimizer: "adam", rate: 0.003)
        for moment in TwoSenses.moments(400, seed: 2) { try learner.learn(moment) }
        let serving = MultimodalGraph.predicting(learner.model, parameters: learner.parameters, batch: 1, languageRows: 0)
        let correct = TwoSenses.moments(50, seed: 3).count { moment in
            serving.set(moment, row: 0)
            serving.forward()
            return serving.prediction(row: 0).decided == moment.label
        }
        // One in four is right by chance: 26 are then less probable than one in ten thousand.
        #expect(correct > 25, "\(correct)")
    }
}
