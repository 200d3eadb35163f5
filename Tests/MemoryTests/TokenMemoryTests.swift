import Foundation
import Statistics
import Testing
@testable import Memory

private let V = 40

private func memory(_ change: (inout TokenMemory.Configuration) -> Void = { _ in }) -> TokenMemory {
    var configuration = TokenMemory.Configuration()
    configuration.capacity = 1_000
    change(&configuration)
    return TokenMemory(vocabularySize: V, configuration)
}

/// Logits of a model that knows little, as a function of the last token.
private func logits(after token: Int) -> [Float] { (0..<V).map { Float(sin(Double($0 * 7 + token * 3))) } }

extension TokenMemory {
    /// The log-probabilities of the next token.
    fileprivate mutating func predicting(_ given: [Float]) -> [Float] {
        var given = given
        given.withUnsafeMutableBufferPointer { predict($0) }
        return given
    }

    /// The code length of tokens in nats, each predicted and then learned.
    fileprivate mutating func read(_ tokens: some Sequence<Int>, source: Int = 0) -> [Float] {
        var last = 0
        return tokens.map { token in
            let cost = -predicting(logits(after: last))[token]
            learn(token, source: source)
            last = token
            return cost
        }
    }
}

/// A seeded text in which some phrases come again and again.
private func text(_ count: Int, seed: UInt64) -> [Int] {
    var generator = RandomSource(seed: seed)
    let phrases = (0..<6).map { _ in (0..<7).map { _ in generator.uniform(below: V) } }
    var tokens: [Int] = []
    while tokens.count < count { tokens += phrases[generator.uniform(below: 6)] + [generator.uniform(below: V)] }
    return Array(tokens.prefix(count))
}

@Suite struct TokenMemoryTests {
    @Test func aTextThatIsWrittenFollowsTheMemoryAndLeavesItAsItIs() {
        var memory = memory()
        let sequence = [3, 14, 15, 9, 26, 5, 35, 8, 30, 7]
        for _ in 0..<6 {
            memory.endSequence()
            for token in sequence { memory.learn(token, source: TokenMemory.source("a")) }
        }
        let before = memory.state
        func mostLikely(_ reader: inout TokenMemory.Reader, _ written: [Int]) -> Int? {
            var logits = [Float](repeating: 0, count: V)
            logits.withUnsafeMutableBufferPointer { reader.mix($0, after: written) }
            return logits.indices.max { logits[$0] < logits[$1] }
        }
        var reader = memory.reader()
        for count in 1..<sequence.count {
            #expect(mostLikely(&reader, Array(sequence.prefix(count))) == sequence[count])
        }
        var continued = memory.reader(after: sequence.prefix(4))
        #expect(mostLikely(&continued, []) == sequence[4] && mostLikely(&continued, [sequence[4]]) == sequence[5])
        #expect(memory.state == before)
        memory.forget(source: TokenMemory.source("b"))
        #expect(memory.count == 60)
        memory.forget(source: TokenMemory.source("a"))
        #expect(memory.count == 0)
    }

    @Test func aRepeatedSequenceIsPredicted() {
        var memory = memory()
        let sequence = [3, 14, 15, 9, 26, 5, 35, 8, 30, 7]
        let first = memory.read(sequence), second = memory.read(sequence), third = memory.read(sequence)
        #expect(first.reduce(0, +) / 10 > 3, "nothing is known of a new sequence")
        #expect(second.dropFirst().reduce(0, +) < 0.6 * first.dropFirst().reduce(0, +))
        #expect(third.allSatisfy { $0 < 1 }, "the gate has learned to trust what followed")
    }

    @Test func probabilitiesSumToOne() {
        var memory = memory()
        for token in text(300, seed: 1) {
            let sum: Double = memory.predicting(logits(after: token)).reduce(0) { $0 + exp(Double($1)) }
            #expect(abs(sum - 1) < 1e-5)
            memory.learn(token)
        }
    }

    @Test func anEmptyMemoryGivesTheModelsDistribution() {
        var memory = memory()
        let given = logits(after: 4), level = log(given.reduce(0) { $0 + exp($1) })
        for (mixed, logit) in zip(memory.predicting(given), given) { #expect(abs(mixed - (logit - level)) < 1e-5) }
    }

    @Test func extremeLogitsStillGiveADistribution() {
        var memory = memory()
        _ = memory.read([1, 2, 3, 1, 2, 3, 1, 2])
        for extreme: Float in [1e4, -1e4, -.infinity] {
            var given = [Float](repeating: 0, count: V)
            given[3] = extreme
            let mixed = memory.predicting(given)
            #expect(abs(mixed.reduce(0) { $0 + exp(Double($1)) } - 1) < 1e-5)
            #expect(mixed.allSatisfy { !$0.isNaN })
        }
        var only = [Float](repeating: -.infinity, count: V)
        only[3] = 2
        #expect(memory.predicting(only)[3] == 0, "the only possible token is certain")
        let none = [Float](repeating: .nan, count: V)
        #expect(memory.predicting(none).allSatisfy { $0.isNaN }, "what is no distribution stays as it is")
        let infinite = [Float](repeating: .infinity, count: V)
        #expect(memory.predicting(infinite) == infinite)
    }

    @Test func aRunRepeats() {
        var one = memory(), two = memory()
        #expect(one.read(text(400, seed: 2)) == two.read(text(400, seed: 2)))
        #expect(one.state == two.state)
    }

    @Test func predictingChangesNothing() {
        var one = memory(), two = memory()
        _ = (one.read(text(200, seed: 3)), two.read(text(200, seed: 3)))
        let state = one.state
        _ = one.predicting(logits(after: 1))
        #expect(one.state == state)
        #expect(one.read(text(50, seed: 3)) == two.read(text(50, seed: 3)))
    }

    /// A run may go on with room for fewer tokens: the newest stay.
    @Test func aSmallerMemoryKeepsTheNewestTokens() throws {
        var large = memory(), small = memory { $0.capacity = 40 }
        for token in text(100, seed: 6) {
            large.learn(token)
            small.learn(token)
        }
        #expect(small.count == 40)
        #expect(try TokenMemory(large.state, vocabularySize: V, small.configuration).state == small.state)
    }

    @Test func aForgottenSourceHasNeverBeenThere() {
        // With a rate of 0 and no predictions the gate learns nothing, so that only the store differs.
        let (own, others, more) = (text(120, seed: 4), text(150, seed: 5), text(90, seed: 4))
        var mixed = memory { $0.rate = 0 }, clean = memory { $0.rate = 0 }
        for token in own { mixed.learn(token, source: 1) }
        for token in others { mixed.learn(token, source: 2) }
        for token in more { mixed.learn(token, source: 1) }
        for token in own + more { clean.learn(token, source: 1) }
        #expect(mixed.predicting(logits(after: 0)) != clean.predicting(logits(after: 0)))
        mixed.forget(source: 2)
        #expect(mixed.count == own.count + more.count)
        #expect(mixed.state == clean.state)
        #expect(mixed.read(text(100, seed: 5)) == clean.read(text(100, seed: 5)))
    }

    @Test func whatIsForgottenIsNotPredicted() {
        var memory = memory()
        let secret = [30, 31, 32, 33, 34, 35]
        _ = memory.read(secret + secret, source: 9)
        _ = memory.read([30, 31], source: 1)
        let known = memory.predicting(logits(after: 31))[32]
        memory.forget(source: 9)
        let forgotten = memory.predicting(logits(after: 31))[32]
        #expect(known > -1)
        #expect(forgotten < -2.5)
    }

    @Test func aRestoredMemoryContinuesExactly() throws {
        // More tokens than the capacity, and a gap among them.
        var memory = memory { $0.capacity = 150 }
        _ = memory.read(text(200, seed: 6), source: 3)
        memory.endSequence()
        _ = memory.read(text(60, seed: 6), source: -4)
        var restored = try TokenMemory(memory.state, vocabularySize: V, memory.configuration)
        #expect(restored.state == memory.state)
        let next = text(300, seed: 6)
        #expect(restored.read(next) == memory.read(next))
        restored.forget(source: -4)
        memory.forget(source: -4)
        #expect(restored.read(next) == memory.read(next))
        #expect(restored.state == memory.state)
    }

    @Test func damagedStatesAreRefused() throws {
        var memory = memory()
        _ = memory.read(text(50, seed: 7))
        let state = memory.state, configuration = memory.configuration
        func restore(_ bytes: [UInt8], of size: Int = V, capacity: Int = 1_000) throws -> TokenMemory {
            var changed = configuration
            changed.capacity = capacity
            return try TokenMemory(bytes, vocabularySize: size, changed)
        }
        #expect(try restore(state).state == state)
        #expect(try restore(state, capacity: 50).state == state)
        #expect(try restore(state, capacity: 49).count == 49)
        #expect(throws: TokenMemory.StateError.self) { try restore(state, of: V + 1) }
        #expect(throws: TokenMemory.StateError.self) { try restore(state + [0]) }
        for length in Array(0..<60) + Array(stride(from: 60, to: state.count, by: 97)) {
            #expect(throws: TokenMemory.StateError.self) { try restore(Array(state.prefix(length))) }
        }
        var generator = RandomSource(seed: 8)
        for _ in 0..<500 {
            var damaged = state
            for _ in 0..<3 { damaged[generator.uniform(below: 400)] = UInt8(generator.uniform(below: 256)) }
            // It may still be a memory; it must not trap.
            if var restored = try? restore(damaged) { _ = restored.read(text(20, seed: 7)) }
        }
    }

    @Test func theOldestTokensMakeRoom() {
        var memory = memory { $0.capacity = 64 }
        _ = memory.read(text(1_000, seed: 9))
        #expect(memory.count == 64)
        let size = memory.state.count
        _ = memory.read(text(1_000, seed: 10))
        #expect(memory.state.count == size)
        var least = TokenMemoryTests.smallest
        for token in text(200, seed: 1) {
            #expect(abs(least.predicting(logits(after: token)).reduce(0) { $0 + exp(Double($1)) } - 1) < 1e-5)
            least.learn(token)
        }
        #expect(least.count == 1)
    }

    private static var smallest: TokenMemory {
        memory {
            $0.capacity = 1
            $0.candidates = 1
            $0.occurrences = 1
        }
    }

    @Test func aFrozenMemoryFollowsTheTextButDoesNotChange() {
        var memory = memory()
        let sequence = [3, 14, 15, 9, 26, 5, 35, 8, 30, 7]
        _ = memory.read(sequence + sequence + sequence)
        let count = memory.count, gate = memory.gate.numbers
        memory.isFrozen = true
        let costs = memory.read(sequence)
        #expect(costs.allSatisfy { $0 < 1 }, "it still predicts")
        #expect(memory.count == count)
        #expect(memory.gate.numbers == gate)
        // What was read meanwhile is no context of what is learned afterwards.
        memory.isFrozen = false
        memory.learn(11)
        #expect(memory.history.context == [11])
    }

    @Test func noContextReachesBeyondTheEndOfASequence() {
        var memory = memory()
        for token in [1, 2] { memory.learn(token) }
        memory.endSequence()
        for token in [3, 1, 2] { memory.learn(token) }
        let evidence = Evidence(of: memory.history, after: memory.context, candidates: 10, occurrences: 10)
        #expect(evidence.candidates.isEmpty, "nothing followed 1, 2 in its sequence")
        #expect(evidence.totals.allSatisfy { $0 == 0 })
    }

    @Test func theNewestOfEquallyLongMatchesIsExpected() {
        var memory = memory()
        for token in [1, 2, 3, 9, 1, 2, 3, 8, 1, 2, 3] { memory.learn(token) }
        let evidence = Evidence(of: memory.history, after: memory.context, candidates: 10, occurrences: 10)
        #expect(evidence.match == (3, 8))
        #expect(evidence.candidates.map(\.token) == [8, 9])
        #expect(evidence.totals == [2, 2, 2, 0, 0, 0])
        #expect(evidence.candidates[0].isNewest == [true, true, true, false, false, false])
    }

    @Test func aLongMatchIsFoundWhereTheOrdersEnd() {
        var memory = memory()
        let sequence = Array(1...20)
        for token in sequence + [30] + sequence + [31] + [0] + sequence.dropFirst() { memory.learn(token) }
        let evidence = Evidence(of: memory.history, after: memory.context, candidates: 10, occurrences: 10)
        #expect(evidence.match == (19, 31))
        #expect(memory.history.matchLength(before: 20, memory.context) == 19)
    }

    @Test func nonsenseSettingsAreRefusedByName() throws {
        #expect(throws: SettingsError("capacity", "is 0, not 1…16777216")) { try TokenMemory.Configuration(["capacity": 0]) }
        #expect(throws: SettingsError("rate", "is 2.0, not 0…1")) { try TokenMemory.Configuration(["rate": 2]) }
        #expect(try TokenMemory.Configuration(["candidates": 5]).candidates == 5)
    }
}
