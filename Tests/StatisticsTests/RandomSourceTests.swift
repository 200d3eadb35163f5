import Foundation
import Statistics
import Testing

@Suite struct RandomSourceTests {
    /// Numbers of a Python transcription of the two published C files.
    @Test func followsThePublishedGenerator() {
        var random = RandomSource(seed: 1_234_567)
        #expect(
            (0..<4).map { _ in random.next() } == [3504822795582309479, 1819558768956484042, 1250851346055027673, 16940231675099994102])
    }

    @Test func goesOnExactlyAfterSavingAndRestoring() throws {
        var random = RandomSource(seed: 5)
        for _ in 0..<100 { _ = random.normal() }
        var restored = try JSONDecoder().decode(RandomSource.self, from: JSONEncoder().encode(random))
        #expect((0..<50).map { _ in random.next() } == (0..<50).map { _ in restored.next() })
    }

    @Test(arguments: ["\"12\"", "\"\(String(repeating: "0", count: 64))\"", "\"\(String(repeating: "g", count: 64))\"", "7"])
    func refusesAStateThatIsNone(_ text: String) {
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(RandomSource.self, from: Data(text.utf8)) }
    }

    @Test func uniformNumbersFillTheUnitInterval() {
        var random = RandomSource(seed: 1)
        let numbers = (0..<100_000).map { _ in random.uniform() }
        #expect(numbers.allSatisfy { $0 >= 0 && $0 < 1 })
        #expect(abs(numbers.reduce(0, +) / 100_000 - 0.5) < 0.005)
    }

    @Test func normalNumbersHaveUnitVariance() {
        var random = RandomSource(seed: 2)
        let numbers = (0..<100_000).map { _ in random.normal() }
        #expect(abs(numbers.reduce(0, +) / 100_000) < 0.02)
        #expect(abs(numbers.map { $0 * $0 }.reduce(0, +) / 100_000 - 1) < 0.02)
    }

    @Test func boundedIntegersAreEquallyFrequent() {
        var random = RandomSource(seed: 3)
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<70_000 { counts[random.uniform(below: 7)] += 1 }
        #expect(counts.allSatisfy { abs($0 - 10_000) < 400 })
    }

    @Test func shufflingKeepsEveryItem() {
        var random = RandomSource(seed: 4)
        var items = Array(0..<100)
        random.shuffle(&items)
        #expect(items != Array(0..<100))
        #expect(items.sorted() == Array(0..<100))
    }

    @Test func aSampleHasNoRepeats() {
        var random = RandomSource(seed: 6)
        for count in 0...10 {
            let drawn = random.sample(count, below: 10)
            #expect(Set(drawn).count == count)
            #expect(drawn.allSatisfy { (0..<10).contains($0) })
        }
    }

    @Test func splitGeneratorsGiveDifferentNumbers() {
        var random = RandomSource(seed: 8)
        var (left, right) = (random.split(), random.split())
        #expect(left.next() != right.next())
    }
}
