import FilesTesting
import Foundation
import Testing
@testable import OnlineLanguage

private let texts = URL(filePath: SharedData.path("data/text"))

private let verse = Array(
    """
    The owl and the pussy-cat went to sea\nIn a beautiful pea-green boat,\nThey took some honey, and plenty of money,
    Wrapped up in a five-pound note.\nThe owl looked up to the stars above,\nAnd sang to a small guitar:\n
    """.utf8)

private func small() -> ByteLearner {
    var configuration = ByteLearner.Configuration()
    configuration.memory = 1
    return ByteLearner(configuration, expectedBytes: 4096)
}

private func codeLength(_ text: [UInt8], _ learner: ByteLearner) -> CodeLength {
    var length = CodeLength()
    for byte in text { learner.read(byte, &length) }
    return length
}

@Suite struct ByteLearnerTests {
    @Test func everyDistributionSumsToOneAndAskingForItChangesNothing() {
        let asked = small(), silent = small()
        var lengths = (CodeLength(), CodeLength())
        for byte in verse.prefix(60) {
            let distribution = asked.distribution()
            #expect(distribution.count == 256)
            #expect(abs(distribution.reduce(0, +) - 1) < 1e-12)
            #expect(distribution.allSatisfy { $0 > 0 })
            #expect(abs(distribution[128...].reduce(0, +) - Double(asked.predict().ones) / 65536) < 1e-12)
            asked.read(byte, &lengths.0)
            silent.read(byte, &lengths.1)
        }
        #expect(lengths.0 == lengths.1)
    }

    @Test func whatAllBytesWouldCostAddsUpToOne() {
        let total = (0...255).reduce(0.0) { sum, byte in
            let learner = small()
            var length = codeLength(Array("the cat, the c".utf8), learner)
            let before = length.bits
            learner.read(UInt8(byte), &length)
            return sum + exp2(before - length.bits)
        }
        #expect(abs(total - 1) < 1e-9)
    }

    @Test func theCodeLengthIsThatOfAnActualCodeThatDecodesToTheText() {
        let text = verse + verse.reversed() + (0...255).map { UInt8($0) } + verse
        let writer = small()
        var bits = 0.0
        var encoder = ArithmeticEncoder()
        for byte in text {
            for shift in (0..<8).reversed() {
                let bit = Int(byte) >> shift & 1, p = writer.predict()
                encoder.encode(bit, p)
                bits += p.codeLength(of: bit)
                writer.learn(bit)
            }
        }
        let code = encoder.finish()
        let excess = Double(code.count * 8) - bits
        #expect(abs(excess) < 40, "four bytes end the code; \(code.count) bytes, \(bits) bits")
        let told: Double = codeLength(text, small()).bits
        #expect(abs(bits - told) < 1e-6, "summed bit by bit and byte by byte")

        let reader = small()
        var decoder = ArithmeticDecoder(code)
        var decoded: [UInt8] = []
        for _ in text {
            var byte = 0
            for _ in 0..<8 {
                let bit = decoder.decode(reader.predict())
                reader.learn(bit)
                byte = byte << 1 | bit
            }
            decoded.append(UInt8(byte))
        }
        #expect(decoded == text)
    }

    /// Two texts that differ from one bit on: all predictions up to that bit are equal, and its code length follows from the prediction
    /// made before it was known.
    @Test(arguments: 0..<8) func aPredictionDoesNotDependOnTheFuture(place: Int) {
        let fork = verse.count / 2, bit = UInt8(0x80 >> place)
        var parted = verse
        for index in fork..<verse.count { parted[index] ^= index == fork ? bit : 0xff }
        func told(_ text: [UInt8]) -> [BitProbability] {
            let learner = small()
            return text.flatMap { byte in
                (0..<8).map { shift in
                    defer { learner.learn(Int(byte) >> (7 - shift) & 1) }
                    return learner.predict()
                }
            }
        }
        let (one, other) = (told(verse), told(parted)), shared = 8 * fork + place + 1
        #expect(one.prefix(shared).elementsEqual(other.prefix(shared)) { $0.ones == $1.ones })
        #expect(!one.dropFirst(shared).elementsEqual(other.dropFirst(shared)) { $0.ones == $1.ones }, "but on the past it does")
        for (text, predictions) in [(verse, one), (parted, other)] {
            let bits = text.indices.map { byte in
                (0..<8).reduce(0.0) { $0 + predictions[8 * byte + $1].codeLength(of: Int(text[byte]) >> (7 - $1) & 1) }
            }
            var read: [Double] = []
            let learner = small()
            for byte in text {
                var cost = CodeLength()
                learner.read(byte, &cost)
                read.append(cost.bits)
            }
            #expect(read == bits, "a byte costs what was told before it was read")
        }
    }

    @Test func whatWasReadOnceIsCheaperToReadAgain() {
        let learner = small()
        let first = codeLength(verse, learner), second = codeLength(verse, learner)
        #expect(first.bitsPerByte < 6)
        #expect(second.bitsPerByte < 0.6)
    }

    @Test func aFrozenLearnerKnowsNothing() {
        let frozen = ByteLearner(.init(), expectedBytes: 4096, learning: false)
        let length = codeLength(verse + verse, frozen)
        #expect(abs(length.bitsPerByte - 8) < 0.001)
    }

    @Test func anyBytesWillDo() {
        var state: UInt64 = 7
        let noise = (0..<1000).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(state >> 56)
        }
        let bits = codeLength(noise, small()).bitsPerByte
        #expect(bits > 8 && bits < 9, "noise can't be learned, \(bits)")
        #expect(codeLength([UInt8](repeating: 0, count: 1000), small()).bitsPerByte < 0.05)
        #expect(codeLength([], small()).bitsPerByte == 0)
    }

    @Test func littleMemoryForgetsButGoesOn() {
        var configuration = ByteLearner.Configuration()
        configuration.memory = 1
        let text = (0..<12).flatMap { i in verse.map { $0 &+ UInt8(i % 3) } }
        let little = codeLength(text, ByteLearner(configuration))
        let enough = codeLength(text, ByteLearner(expectedBytes: text.count))
        #expect(enough.bits <= little.bits)
        #expect(little.bitsPerByte < 1.5)
    }

    @Test(
        .enabled(if: SharedData.isWanted("data/text"), "the texts of ../shared/data/text are absent"),
        arguments: [("alice_en.txt", 3.5), ("quijote_es.txt", 3.1), ("tinyshakespeare_train.txt", 3.4)])
    func theFirstPagesOfABookAreLearned(name: String, below: Double) throws {
        let text = try Data(contentsOf: texts.appending(path: name)).prefix(4000)
        let length = codeLength(Array(text), ByteLearner(expectedBytes: text.count))
        #expect(length.bitsPerByte < below, "\(name): \(length.bitsPerByte)")
    }
}
