import Foundation
import Model
import Statistics
import StrictJSON
import Testing
@testable import Learning

private func buffer(_ policy: String, capacity: Int = 50, byteCapacity: Int = .max, seed: UInt64 = 1) throws -> ReplayBuffer<Int> {
    try ReplayBuffer(policy: policy, capacity: capacity, byteCapacity: byteCapacity, random: RandomSource(seed: seed))
}

@Suite struct ReplayBufferTests {
    @Test(arguments: replayPolicies.map(\.key))
    func staysWithinItsBounds(_ policy: String) throws {
        var buffer = try buffer(policy, capacity: 50, byteCapacity: 2000)
        var random = RandomSource(seed: 2)
        for number in 0..<2000 {
            buffer.add(number, label: number % 3, bytes: random.uniform(below: 120))
            #expect(buffer.count <= 50 && buffer.bytes <= 2000)
            #expect(buffer.bytes == buffer.slots.reduce(0) { $0 + $1.bytes })
        }
        #expect(buffer.seen.total == 2000)
        let oversize = buffer.add(1, bytes: 2001)
        #expect(!oversize)
    }

    @Test(arguments: replayPolicies.map(\.key))
    func repeatsItself(_ policy: String) throws {
        func run() throws -> [[Int]] {
            var buffer = try buffer(policy)
            return (0..<300).map { number in
                buffer.add(number, label: number % 4, priority: Double(number % 7))
                return buffer.draw(5).map(\.item)
            }
        }
        #expect(try run() == run())
    }

    @Test(arguments: replayPolicies.map(\.key))
    func goesOnExactlyAfterSavingAndRestoring(_ policy: String) throws {
        var uninterrupted = try buffer(policy), interrupted = uninterrupted
        for number in 0..<400 {
            if number % 90 == 89 {
                interrupted = try JSONDecoder().decode(ReplayBuffer<Int>.self, from: JSONEncoder().encode(interrupted))
            }
            uninterrupted.add(number, source: "s\(number % 2)", label: number % 4, priority: Double(number % 7))
            interrupted.add(number, source: "s\(number % 2)", label: number % 4, priority: Double(number % 7))
            let (one, other) = (uninterrupted.draw(5).map(\.item), interrupted.draw(5).map(\.item))
            #expect(one == other)
        }
        #expect(uninterrupted.slots == interrupted.slots && uninterrupted.bytes == interrupted.bytes)
    }

    @Test(arguments: replayPolicies.map(\.key))
    func drawsDifferentItemsOrAllOfThem(_ policy: String) throws {
        var buffer = try buffer(policy)
        let none = buffer.draw(3)
        for number in 0..<20 { buffer.add(number) }
        let some = buffer.draw(7).map(\.item), all = buffer.draw(100).map(\.item)
        #expect(none.isEmpty && Set(some).count == 7 && all.sorted() == Array(0..<20))
    }

    @Test(arguments: replayPolicies.map(\.key))
    func forgetsASourceWhole(_ policy: String) throws {
        var buffer = try buffer(policy)
        for number in 0..<40 { buffer.add(number, source: number % 4 == 0 ? "camera" : "microphone", bytes: 10) }
        #expect(buffer.countBySource == ["camera": 10, "microphone": 30])
        let removed = buffer.removeAll(from: "camera"), rest = buffer.draw(100)
        #expect(removed == 10)
        #expect(buffer.countBySource == ["microphone": 30] && buffer.bytes == 300)
        #expect(rest.count == 30 && rest.allSatisfy { $0.item % 4 != 0 })
    }

    @Test func aReservoirKeepsOldAndNewAlike() throws {
        var kept = [Int](repeating: 0, count: 10)
        for seed in 0..<400 {
            var buffer = try buffer("reservoir", capacity: 20, seed: UInt64(seed))
            for number in 0..<200 { buffer.add(number) }
            for drawn in buffer.draw(20) { kept[drawn.item / 20] += 1 }
        }
        #expect(kept.allSatisfy { abs($0 - 800) < 120 })
    }

    @Test func aRareClassKeepsItsShare() throws {
        var buffer = try buffer("class-balanced", capacity: 40)
        for number in 0..<4000 { buffer.add(number, label: number % 100 == 0 ? 1 : 0) }
        #expect(buffer.slots.count { $0.label == 1 } == 20)
    }

    @Test func recencyThinsOutWithAge() throws {
        var buffer = try buffer("recency", capacity: 100)
        for number in 0..<2000 { buffer.add(number) }
        let ages = buffer.slots.map { 1999 - $0.serial }
        #expect(buffer.slots.contains { $0.serial == 1999 })
        #expect(abs(Double(ages.reduce(0, +)) / 100 - 100) < 35)
    }

    @Test func whatIsHardIsDrawnMoreOften() throws {
        var buffer = try buffer("loss", capacity: 100)
        for number in 0..<100 { buffer.add(number) }
        for slot in buffer.slots { buffer.setPriority(slot.serial < 10 ? 10 : 0.1, of: slot.serial) }
        buffer.setPriority(.nan, of: 0)
        var hard = 0
        for _ in 0..<1000 { hard += buffer.draw(1).first!.item < 10 ? 1 : 0 }
        // 10 · 10.01^0.6 against 90 · 0.11^0.6
        #expect(abs(Double(hard) / 1000 - 0.627) < 0.05)
    }

    @Test func anEmptyBufferKeepsNothing() throws {
        var buffer = try buffer("reservoir", capacity: 0)
        let kept = buffer.add(1), drawn = buffer.draw(1)
        #expect(!kept && drawn.isEmpty)
    }

    @Test func refusesWhatMakesNoSense() {
        #expect(throws: SettingsError.self) { try buffer("newest") }
        #expect(throws: SettingsError.self) { try buffer("reservoir", capacity: -1) }
        #expect(throws: SettingsError.self) { try replayPolicy("loss", settings: ["sharpness": -1]) }
    }

    @Test func aForgedStateIsRefused() throws {
        var buffer = try buffer("reservoir", capacity: 5)
        for number in 0..<5 { buffer.add(number) }
        var state = try JSONDecoder().decode([String: JSON].self, from: JSONEncoder().encode(buffer))
        state["capacity"] = 3
        let forged = try JSONEncoder().encode(state)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(ReplayBuffer<Int>.self, from: forged) }
    }

    /// A checkpoint keeps all of a moment: a correction that came back without its answer would be learned as a text.
    @Test func aPackedMomentIsTheMoment() throws {
        var moment = MomentInput(
            text: [1, 2], senses: ["image": SenseInput(rows: 1, columns: 2, values: [3, 4], age: 0.5, validity: 0.25)], label: 1, classes: 3
        )
        moment.answer = [5, 6]
        var numbers: [Float] = []
        let packed = PackedMoment(RememberedMoment(moment: moment, logits: [7]), to: &numbers)
        let read = try JSONDecoder().decode(PackedMoment.self, from: JSONEncoder().encode(packed))
        var rest = numbers[...]
        let unpacked = try #require(read.unpacked(from: &rest))
        #expect(unpacked.moment == moment && unpacked.logits == [7] && rest.isEmpty)
    }
}
