import Statistics
import Testing
@testable import Memory

struct LabelMemoryTests {
    private var random = RandomSource(seed: 7)

    /// What a sense makes of one of some things, seen from a certain view.
    private mutating func look(_ thing: Int, columns: Int = 64, noise: Float = 0.5) -> [String: SenseSketch] {
        var own = RandomSource(seed: UInt64(1 + thing))
        let plain = (0..<columns).map { _ in Float(own.normal()) }
        return ["image": SenseSketch(rows: 1, columns: columns, values: plain.map { $0 + noise * Float(random.normal()) })!]
    }

    /// Names a thing, as one who sees what was predicted does.
    private func name(_ label: Int, _ sketches: [String: SenseSketch], _ memory: inout LabelMemory, moment: String, source: String = "s") {
        memory.learn(memory.recall(sketches), model: uniform, label: label, source: source, moment: moment)
    }

    private let uniform = [Float](repeating: 1.0 / 16, count: 16)

    private func best(_ memory: LabelMemory, _ sketches: [String: SenseSketch]) -> (label: Int, probability: Float) {
        var mixed = uniform
        LabelMemory.mix(memory.recall(sketches), into: &mixed)
        let label = mixed.indices.max { mixed[$0] < mixed[$1] } ?? 0
        return (label, mixed[label])
    }

    @Test mutating func aNameIsRecalledFromOneExample() {
        var memory = LabelMemory(capacity: 100)
        for thing in 0..<10 { name(thing, look(thing), &memory, moment: "m/\(thing)") }
        for thing in 0..<10 {
            let found = best(memory, look(thing))
            #expect(found.label == thing && found.probability > 0.7, "\(thing) is \(found)")
        }
        #expect(best(memory, look(99)).probability < 0.5, "what nobody has named is not known")
    }

    @Test func withoutExamplesTheModelIsNotChanged() throws {
        var mixed: [Float] = [0.2, 0.8]
        let sketch = try #require(SenseSketch(rows: 1, columns: 2, values: [1, 2]))
        let recall = LabelMemory(capacity: 4).recall(["image": sketch])
        LabelMemory.mix(recall, into: &mixed)
        #expect(mixed == [0.2, 0.8] && recall.weight == 0)
    }

    @Test mutating func mixedProbabilitiesAddUpToOne() {
        var memory = LabelMemory(capacity: 100)
        for thing in 0..<20 { name(thing % 16, look(thing), &memory, moment: "m/\(thing)") }
        for thing in 0..<30 {
            var mixed = uniform
            LabelMemory.mix(memory.recall(look(thing)), into: &mixed)
            #expect(abs(mixed.reduce(0, +) - 1) < 1e-5 && mixed.allSatisfy { $0 >= 0 })
        }
    }

    /// Labels that have nothing to do with what is seen: the opinion is hardly listened to any more.
    @Test mutating func anOpinionThatIsWrongCountsLess() {
        var memory = LabelMemory(capacity: 64)
        for step in 0..<400 { name(random.uniform(below: 16), look(step % 4, noise: 0.1), &memory, moment: "m/\(step)") }
        let recall = memory.recall(look(0, noise: 0.1))
        #expect(recall.weight < 0.3, "\(recall.weight)")
    }

    @Test mutating func aThingThatIsNamedAnewHasTheNewName() {
        var memory = LabelMemory(capacity: 100)
        for thing in 0..<6 { name(thing, look(thing), &memory, moment: "m/\(thing)") }
        name(9, look(2), &memory, moment: "m/later")
        #expect(best(memory, look(2)).label == 9)
        #expect(!memory.examples.contains { $0.label == 2 })
        name(3, look(2), &memory, moment: "m/later")
        #expect(memory.examples.filter { $0.moment == "m/later" }.map(\.label) == [3], "a moment has one name")
        #expect(best(memory, look(0)).label == 0 && best(memory, look(5)).label == 5)
    }

    @Test mutating func whatWasNamedOnceStaysWhereOthersAreNamedOften() {
        var memory = LabelMemory(capacity: 8)
        name(1, look(1), &memory, moment: "once")
        for step in 0..<50 { name(0, look(0), &memory, moment: "m/\(step)") }
        #expect(memory.examples.count == 8 && memory.examples.contains { $0.moment == "once" })
        #expect(best(memory, look(1)).label == 1)
        #expect(memory.examples.last?.moment == "m/49")
    }

    @Test mutating func aSourceIsForgotten() {
        var memory = LabelMemory(capacity: 100)
        for thing in 0..<4 { name(thing, look(thing), &memory, moment: "m/\(thing)", source: thing % 2 == 0 ? "kitchen" : "garage") }
        #expect(memory.forget(source: "kitchen") == 2 && memory.forget(source: "kitchen") == 0)
        #expect(memory.examples.map(\.label) == [1, 3])
        #expect(memory.forget(source: nil) == 2 && memory.recall(look(1)).opinions.isEmpty)
    }

    @Test mutating func aRestoredMemoryGoesOnExactly() throws {
        var memory = LabelMemory(capacity: 100)
        for thing in 0..<9 { name(thing, look(thing), &memory, moment: "m/\(thing)") }
        var restored = try LabelMemory(memory.state, capacity: 100)
        #expect(restored.examples.map(\.label) == memory.examples.map(\.label))
        let seen = look(3)
        #expect(abs(restored.recall(seen).weight - memory.recall(seen).weight) < 1e-9)
        let next = look(9)
        name(9, next, &memory, moment: "next")
        name(9, next, &restored, moment: "next")
        #expect(best(restored, seen).label == best(memory, seen).label)
        #expect(try LabelMemory(memory.state, capacity: 3).examples.count == 3)
        let bytes = memory.state
        for count in [0, 3, 8, 20, bytes.count - 1] {
            #expect(throws: LabelMemory.StateError.self) { try LabelMemory(Array(bytes.prefix(count)), capacity: 100) }
        }
        #expect(throws: LabelMemory.StateError.self) { try LabelMemory(bytes + [0], capacity: 100) }
        #expect(throws: LabelMemory.StateError.self) {
            try LabelMemory(Array(bytes.dropLast(4)) + [0, 0, 0xC0, 0x7F], capacity: 100)  // not a number
        }
    }

    @Test func aSketchIsTheMeanAndTheDeviationOfRows() throws {
        let sketch = try #require(SenseSketch(rows: 2, columns: 2, values: [1, 0, 3, 0])), length = Float(5).squareRoot()
        #expect(zip(sketch.numbers, [2 / length, 0, 1 / length, 0]).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(SenseSketch(rows: 2, columns: 2, values: [3, 0, 1, 0]) == sketch, "the order of rows does not count")
        let same = try #require(sketch.similarity(to: sketch))
        #expect(abs(same - 1) < 1e-6)
        #expect(sketch.similarity(to: try #require(SenseSketch(rows: 1, columns: 2, values: [1, 1]))) == nil, "of other widths")
    }

    @Test func whatHasNoDirectionIsNotSketched() {
        #expect(SenseSketch(rows: 1, columns: 2, values: [0, 0]) == nil)
        #expect(SenseSketch(rows: 1, columns: 1, values: [.nan]) == nil)
        #expect(SenseSketch(rows: 1, columns: 1, values: [.infinity]) == nil)
        #expect(SenseSketch(rows: 2, columns: 1, values: [3e38, 3e38]) == nil)
        #expect(SenseSketch(rows: 0, columns: 3, values: []) == nil)
        #expect(SenseSketch(rows: 2, columns: 2, values: [1]) == nil)
        #expect(SenseSketch(rows: .max, columns: 3, values: [1, 2, 3]) == nil)
        #expect(SenseSketch(rows: 1, columns: 9_000, values: Array(repeating: 1, count: 9_000)) == nil)
    }
}
