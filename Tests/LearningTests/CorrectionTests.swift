import Layers
import Memory
import Model
import Statistics
import Tensors
import Testing
import Tokenization
@testable import Learning

@Suite struct CorrectionTests {
    private func memory(capacity: Int = 100) -> CorrectionMemory { CorrectionMemory(capacity: capacity, tokenizer: Frequencies()) }

    /// A tokenizer whose frequent words have low ids, as byte-pair encoding gives them.
    private struct Frequencies: Tokenizer {
        let vocabularySize = 10_000
        let endOfText: Int? = nil
        private static let frequent = [
            "what", "is", "the", "of", "where", "who", "tell", "me", "a", "in", "do", "we", "kept", "called", "name",
        ]
        func encode(_ bytes: [UInt8]) -> [Int] {
            let word = String(decoding: bytes, as: UTF8.self).trimmingPrefix(" ")
            return Self.frequent.firstIndex(of: String(word)).map { [300 + 20 * $0] } ?? [1, 2]
        }
        func decode(_ tokens: [Int]) throws(TokenizationError) -> [UInt8] { [] }
    }

    @Test func aQuestionAskedInOtherWordsFindsItsCorrection() {
        var memory = memory()
        for thing in ["short ladder", "round table", "paper map"] {
            memory.add(Correction(question: "What is the \(thing) called?", answer: "The \(thing) is called Q.", source: "one"))
            memory.add(Correction(question: "Where is the \(thing) kept?", answer: "The \(thing) is kept there.", source: "two"))
        }
        #expect(memory.recall("Tell me the name of the short ladder.").first?.correction.question.contains("short ladder") == true)
        #expect(memory.recall("Where is the round table?").first?.correction.question == "Where is the round table kept?")
        #expect(memory.recall("What is the capital of Norway?").isEmpty)
        #expect(memory.recall("").isEmpty && memory.recall("?!").isEmpty)
        let both = memory.recall("Where do we keep the paper map's copy?", limit: 2)
        #expect(both.count == 2 && both.allSatisfy { $0.correction.question.contains("paper map") })
        #expect(memory.forget(source: "two") == 3)
        #expect(memory.recall("Where is the round table kept?").first?.correction.source == "one")
        #expect(memory.corrections.count == 3)
    }

    @Test func aLaterCorrectionReplacesAnEarlierAndTheOldestAreDiscarded() {
        var memory = memory(capacity: 2)
        memory.add(Correction(question: "Where is the lamp?", answer: "Here."))
        memory.add(Correction(question: "Where is the lamp?", answer: "There."))
        #expect(memory.corrections.map(\.answer) == ["There."])
        memory.add(Correction(question: "Where is the bridge?", answer: "Far."))
        memory.add(Correction(question: "Where is the tower?", answer: "Near."))
        #expect(memory.corrections.map(\.answer) == ["Far.", "Near."])
        #expect(memory.recall("Where is the lamp?").isEmpty)
    }

    // MARK: Adapters

    private func learner(seed: Int = 1, steps: Int, goal: Double = 0.05) throws -> CorrectionLearner {
        var c = LlamaConfiguration()
        (c.vocabularySize, c.positions, c.width, c.hidden, c.layers, c.heads, c.groups) = (40, 64, 32, 48, 2, 4, 2)
        var settings = CorrectionLearner.Configuration()
        (settings.steps, settings.rate, settings.seed, settings.rank) = (steps, 0.02, seed, 4)
        (settings.goal, settings.replays) = (goal, 2)
        let trunk = Llama(c).adapted(by: settings.adapters(of: Llama(c)))
        var random = RandomSource(seed: 3)
        let store = trunk.initialStore(of: Float.self, using: &random)
        // A model whose blocks and head have an effect, as a trained one's.
        for parameter in trunk.parameters where parameter.shape.count == 2 {
            for i in store[parameter.name].indices { store[parameter.name][i] *= 10 }
        }
        return try CorrectionLearner(TrunkModel(trunk: trunk, parameters: store), settings)
    }

    private func example(_ n: Int, source: String = "") -> CorrectionLearner.Example {
        .init(prompt: [1, n, 2, 3], variants: [[1, n, 3]], answer: [10 + n, 20 + n % 7, 0], source: source)
    }

    /// The probability of an answer's tokens after a prompt.
    private func loss(_ learner: CorrectionLearner, _ example: CorrectionLearner.Example) -> Double {
        let graph = Graph<Float>.predicting(parameters: learner.model.parameters)
        let tokens = example.prompt + example.answer
        let text = learner.model.trunk.languageModel(batch: 1, time: tokens.count - 1, in: graph)
        text.set([tokens])
        graph.forward()
        return text.losses.values.suffix(example.answer.count).reduce(0) { $0 + Double($1) } / Double(example.answer.count)
    }

    /// The model below the adapters is random and cannot learn, so a few hundred steps must do with what it computes.
    @Test func whatIsCorrectedBecomesLikelyAndWhatWasLearnedBeforeStaysSo() throws {
        let learner = try learner(steps: 150), before = learner.model.parameters.copy(), first = (3..<6).map { loss(learner, example($0)) }
        for n in 3..<6 {
            let outcome = try #require(learner.learn(example(n)))
            #expect(outcome.before > 2 && outcome.after < outcome.before / 2)
        }
        for n in 3..<6 { #expect(loss(learner, example(n)) < 0.75 * first[n - 3], "\(n)") }
        for parameter in learner.model.parameters.layout.parameters where !Adapters.contains(parameter) {
            #expect(learner.model.parameters[parameter.name].elementsEqual(before[parameter.name]))
        }
    }

    @Test func whatIsKnownAlreadyIsLeftAlone() throws {
        let learner = try learner(steps: 300, goal: 0.5)
        #expect(try #require(learner.learn(example(3))).steps < 300)
        #expect(try #require(learner.learn(example(3))).steps <= 2)
    }

    @Test func equalSeedsLearnTheSameToTheBit() throws {
        let (one, two) = (try learner(steps: 8), try learner(steps: 8))
        for n in 3..<6 { #expect(one.learn(example(n)) == two.learn(example(n))) }
        #expect(one.model.parameters.values.elementsEqual(two.model.parameters.values))
    }

    @Test func aLongPromptLosesItsBeginningAndNothingIsLearnedFromNothing() throws {
        let learner = try learner(steps: 2)
        #expect(learner.learn(.init(prompt: [], answer: [1])) == nil && learner.learn(.init(prompt: [1], answer: [])) == nil)
        let long = CorrectionLearner.Example(prompt: Array(repeating: 5, count: 500), answer: [7, 0], source: "s")
        #expect(learner.learn(long) != nil)
        #expect(learner.learn(.init(prompt: [1], answer: Array(repeating: 6, count: 500))) != nil)
        #expect(learner.remembered.count == 2 && learner.forget(source: "s") == 1 && learner.remembered.count == 1)
    }

    @Test func whatIsNotFiniteChangesNothing() throws {
        let learner = try learner(steps: 2)
        learner.model.parameters["model.norm.weight"][0] = .infinity
        let before = learner.model.parameters.copy()
        #expect(learner.learn(example(4)) == nil && learner.remembered.isEmpty)
        #expect(zip(learner.model.parameters.values, before.values).allSatisfy { $0 == $1 })
    }
}
