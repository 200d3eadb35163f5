import Layers
import Tensors
import Testing
@testable import Model

@Suite struct BlockReadingsTests {
    private static func llama(layers: Int) -> Llama {
        var c = LlamaConfiguration()
        (c.vocabularySize, c.positions, c.width, c.hidden, c.layers, c.heads, c.groups) = (61, 1_200, 24, 40, layers, 6, 2)
        return Llama(c)
    }

    private let trunk = llama(layers: 3)

    private func tokens(_ count: Int) -> [Int] { (0..<count).map { $0 * $0 % 61 } }

    private func difference(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } }

    /// A model of two blocks whose last norm is the third block's first one gives out what the third block reads.
    @Test func aBlockReadsWhatAShorterModelGivesOut() throws {
        let store = DecoderTests.parameters(trunk), shorter = Self.llama(layers: 2), copy = ParameterStore<Float>(shorter.layout)
        for parameter in copy.layout.parameters {
            let name = parameter.name == "model.norm.weight" ? "model.layers.2.input_layernorm.weight" : parameter.name
            _ = copy[parameter.name].update(fromContentsOf: store[name])
        }
        let decoder = TextDecoder(trunk, store), other = TextDecoder(shorter, copy), readings = BlockReadings(of: decoder, blocks: [2])
        var mean = [Float](repeating: 0, count: 24)
        for token in tokens(20) {
            other.advance([token])
            for (i, x) in other.hidden(of: 0).enumerated() { mean[i] += x / 20 }
        }
        decoder.read(tokens(20), stream: 0, observing: readings)
        #expect(readings.count == 20)
        #expect(difference(readings.last(of: 2), other.hidden(of: 0)) < 1e-4)
        #expect(difference(readings.mean(of: 2), mean) < 1e-4)
    }

    @Test(arguments: [1, 3])
    func partsOfATextCountTogether(team: Int) {
        let decoder = TextDecoder(trunk, DecoderTests.parameters(trunk), team: Team(count: team))
        let whole = BlockReadings(of: decoder, blocks: [0, 2]), parts = BlockReadings(of: decoder, blocks: [2, 0])
        decoder.read(tokens(700), stream: 0, observing: whole)
        decoder.forget(0)
        decoder.read(tokens(700).prefix(3), stream: 0, observing: parts)
        decoder.read(tokens(700)[3..<690], stream: 0, observing: parts)
        decoder.read(tokens(700)[690...], stream: 0, observing: parts)
        for block in [0, 2] {
            #expect(difference(whole.mean(of: block), parts.mean(of: block)) < 1e-4)
            #expect(difference(whole.last(of: block), parts.last(of: block)) < 1e-4)
        }
    }

    @Test func onlyWhatIsObservedCounts() {
        let decoder = TextDecoder(trunk, DecoderTests.parameters(trunk)), readings = BlockReadings(of: decoder, blocks: [1])
        decoder.read([1, 2, 3], stream: 0)
        decoder.read([4], stream: 0, observing: readings)
        let one = readings.mean(of: 1)
        #expect(readings.count == 1 && one == readings.last(of: 1))
        decoder.read([5], stream: 0)
        decoder.advance([6])
        #expect(readings.mean(of: 1) == one)
        readings.clear()
        #expect(readings.count == 0 && readings.mean(of: 1) == Array(repeating: 0, count: 24))
    }
}
