import Foundation
import Memory
import Testing
import Tokenization

/// What a recalled answer adds to a model's distribution.
struct RecollectionTests {
    private func memory(_ capacity: Int = 10, bytes: Int = 1 << 20) -> CorrectionMemory {
        CorrectionMemory(capacity: capacity, byteCapacity: bytes, tokenizer: ByteTokenizer())
    }

    private func mixed(_ recollection: Recollection, _ logits: [Float], after written: [Int]) -> [Double] {
        var logits = logits
        logits.withUnsafeMutableBufferPointer { recollection.mix($0, after: written) }
        return logits.map(Double.init)
    }

    @Test func theMixtureIsThatOfTheModelAndTheNextTokenOfTheAnswer() throws {
        var memory = memory()
        memory.add(Correction(question: "who has it", answer: "ab", source: "s"))
        let found = try #require(memory.recollection(of: "who has it", limit: 2, end: 256))
        #expect(found.copied == [97, 98, 256] && found.question == "ab who has it" && found.weight == 0.999)
        let logits = (0..<257).map { Float(sin(Double($0))) }
        let sum = logits.reduce(0) { $0 + exp(Double($1)) }
        for (written, next) in [([], 97), ([97], 98), ([97, 98], 256)] as [([Int], Int)] {
            let result = mixed(found, logits, after: written)
            for (token, logProbability) in result.enumerated() {
                let expected = (1 - found.weight) * exp(Double(logits[token])) / sum + (token == next ? found.weight : 0)
                #expect(abs(exp(logProbability) - expected) < 1e-6 * max(1e-3, expected), "\(token)")
            }
        }
        // What disagrees with the answer, or goes on after it, is the model's own.
        #expect(mixed(found, logits, after: [99]) == logits.map(Double.init))
        #expect(mixed(found, logits, after: [97, 98, 256]) == logits.map(Double.init))
        #expect(mixed(found, [1, .nan], after: [])[0] == 1)
        #expect(memory.recollection(of: "when does rain fall", limit: 2, end: 256) == nil)
    }

    @Test func theMostSimilarAnswerIsCopiedAndAllStandBeforeTheQuestion() throws {
        var memory = memory()
        memory.add(Correction(question: "who keeps the red key", answer: "ann", source: "s"))
        memory.add(Correction(question: "who keeps the blue key", answer: "ben", source: "s"))
        let found = try #require(memory.recollection(of: "who keeps the red key", limit: 2, end: nil))
        #expect(found.copied == Array("ann".utf8).map(Int.init) && found.question == "ben ann who keeps the red key")
    }

    @Test func theSizeIsBoundedAndAReplacementKeepsTheOrder() {
        var memory = memory(3, bytes: 55)
        for name in ["one", "two", "three", "four"] { memory.add(Correction(question: "what is \(name)", answer: name, source: "s")) }
        #expect(memory.corrections.map(\.answer) == ["two", "three", "four"])
        memory.add(Correction(question: "what is long", answer: String(repeating: "x", count: 30), source: "s"))
        #expect(memory.corrections.count == 1)
        memory.add(Correction(question: "what is longer", answer: String(repeating: "x", count: 300), source: "s"))
        #expect(memory.corrections.isEmpty)
        let others = ["b", "a"].map { Correction(question: "what is \($0)", answer: $0, source: "s") }
        memory.assign(others)
        #expect(memory.corrections == others && memory.recall("what is a").last?.correction.answer == "a")
    }
}
