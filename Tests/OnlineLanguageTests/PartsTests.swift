import Testing
@testable import OnlineLanguage

@Suite struct PartsTests {
    @Test func aContradictionHalvesWhatItContradicts() {
        var history = BitHistory.empty
        for _ in 0..<40 { history = history.followed(by: 1) }
        #expect((history.zeros, history.ones, history.recent) == (0, 31, 7))
        history = history.followed(by: 0)
        #expect((history.zeros, history.ones, history.recent) == (1, 16, 6))
        for _ in 0..<5 { history = history.followed(by: 0) }
        #expect((history.zeros, history.ones, history.recent) == (6, 2, 0))
    }

    @Test func squashUndoesStretch() {
        for p: Float in [0.001, 0.2, 0.5, 0.9, 0.999] {
            #expect(abs(Logistic.squash(Logistic.stretch(p)) - p) < 1e-6)
            #expect(abs(StretchTable()[p] - Logistic.stretch(p)) < 0.15)
        }
    }

    @Test func aMixerLearnsWhichPredictionToTrust() {
        var mixer = Mixer(inputs: 2, choices: 1, weight: 0, rate: 0.02, initialBoost: 0)
        let x = Memory<Float>(16)
        for i in 0..<2000 {
            let bit = (i / 3) & 1
            x.base[0] = bit == 1 ? 2 : -2
            x.base[1] = i % 2 == 0 ? 2 : -2
            _ = mixer.mix(x.base, choice: 0)
            mixer.learn(x.base, bit: bit)
        }
        x.base[0] = 2
        x.base[1] = 0
        #expect(mixer.mix(x.base, choice: 0) > 4)
        x.base[0] = 0
        x.base[1] = 2
        #expect(abs(mixer.mix(x.base, choice: 0)) < 0.5)
    }

    @Test func expertsAreMixedByWhoIsRightInEachContext() {
        let mixer = ExpertMixer(experts: 2, choices: [2], rate: 0.02)
        // The first expert is right in one context, the second in the other.
        for i in 0..<4000 {
            let happened = (i / 3) & 1 == 1, noise = (i / 5) & 1 == 1, context = i & 1
            let (right, other): (Float, Float) = (happened ? 2 : -2, noise ? 2 : -2)
            _ = mixer.mix(context == 0 ? [right, other] : [other, right], contexts: [context])
            mixer.learn(happened)
        }
        #expect(mixer.mix([2, -2], contexts: [0]) > 0.9)
        #expect(mixer.mix([2, -2], contexts: [1]) < 0.1)
        #expect(mixer.mix([.nan, .infinity], contexts: [99]).isFinite)
    }

    @Test func aRefinementLearnsToCorrectAPrediction() {
        var refinement = Refinement(contexts: 2, rate: 0.02)
        #expect(abs(refinement.refine(1, context: 0) - Logistic.squash(1)) < 1e-6)
        for i in 0..<2000 {
            _ = refinement.refine(1, context: 1)
            refinement.learn(i % 4 == 0 ? 1 : 0)
        }
        #expect(abs(refinement.refine(1, context: 1) - 0.25) < 0.05)
        #expect(abs(refinement.refine(1, context: 0) - Logistic.squash(1)) < 1e-6)
    }

    @Test func aMatchExpectsWhatFollowedTheSameBytes() {
        let match = Match(minimum: 4, places: 256)
        var reading = Reading(capacity: 256)
        for byte in "the cat sat; the cat".utf8 {
            reading.append(byte)
            match.read(reading, learning: true)
        }
        #expect(match.length == 7)
        #expect(match.expected == UInt8(ascii: " "))
        #expect(match.agrees(with: reading))
    }

    /// "abx" came three times, so that after "ab" the run expects each bit of an x; after another byte there is a new run of one.
    @Test func aRunExpectsTheByteThatFollowedItsContextLast() {
        let contexts = [Context("last two bytes") { $0.recent & 0xffff }]
        let hashed = HashedContexts(contexts, buckets: 1 << 10)
        var reading = Reading(capacity: 256)
        let x = Memory<Float>(16)
        func predictions(of byte: UInt8) -> [Float] {
            defer { reading.partial = 1 }
            return (0..<8).map { depth in
                reading.partial = (Int(byte) | 256) >> (8 - depth)
                if depth & 3 == 0 { hashed.beginHalfByte(reading) }
                hashed.predict(reading, into: x.base)
                hashed.learn(Int(byte) >> (7 - depth) & 1, mixed: 0.5)
                return x.base[hashed.predictionCount - 1]
            }
        }
        func read(_ text: String) {
            for byte in text.utf8 {
                _ = predictions(of: byte)
                reading.append(byte)
                hashed.read(reading, learning: true)
            }
        }
        func signs(_ byte: UInt8) -> [Bool] { (0..<8).map { byte >> UInt8(7 - $0) & 1 == 1 } }
        hashed.read(reading, learning: true)
        read("abxabxabxab")
        let first = predictions(of: UInt8(ascii: "x"))
        #expect(first.map { $0 > 0 } == signs(UInt8(ascii: "x")) && first.allSatisfy { $0 != 0 })
        read("y1ab")
        let second = predictions(of: UInt8(ascii: "x"))
        #expect(second.map { $0 > 0 } == signs(UInt8(ascii: "y")) && second.allSatisfy { $0 != 0 }, "x differs in the last bit only")
        let stray = predictions(of: 0xff)
        #expect(stray[0] < 0 && stray.dropFirst().allSatisfy { $0 == 0 }, "the first bit contradicted the run")
    }

    @Test func aReadingKnowsItsWordsAndLines() {
        var reading = Reading(capacity: 64)
        for byte in "To be,\nor not to".utf8 { reading.append(byte) }
        let words = reading.words
        #expect(words.length == 2)
        #expect(words.current != 0 && words.current != words.last)
        #expect(reading.lines.column == 9)
        #expect(reading.lines.previousLength == 6)
        #expect(reading.mark == UInt8(ascii: ","))
        var other = Reading(capacity: 64)
        for byte in "TO".utf8 { other.append(byte) }
        #expect(other.words.current == words.current, "case is folded")
    }

    @Test func certainBitsCostLittleAndSurprisesMuch() {
        #expect(BitProbability(1).ones == 65535)
        #expect(BitProbability(0).ones == 1)
        #expect(BitProbability(0).codeLength(of: 1) == 16)
        #expect(BitProbability(0.25).codeLength(of: 1) == 2)
    }
}
