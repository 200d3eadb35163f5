import Statistics
import Testing

struct LowerEnvelopeTests {
    /// Random delays above a line.
    private func cloud(offset: Double, slope: Double, seed: UInt64) -> [(x: Double, y: Double)] {
        var random = RandomSource(seed: seed)
        return (0..<600).map { index in
            let x = Double(index) * 0.1
            let queueing = random.uniform() < 0.2 ? 0.0005 * random.uniform() : 0.05 * random.uniform() + (random.uniform() < 0.02 ? 3 : 0)
            return (x, offset + slope * x + queueing)
        }
    }

    @Test(arguments: [(-4000.0, 80e-6), (12.5, -200e-6), (0, 0)], [1, 2, 3] as [UInt64])
    func offsetAndSkewAreFoundBeneathTheDelays(line: (offset: Double, slope: Double), seed: UInt64) throws {
        var envelope = LowerEnvelope(bucket: 1, capacity: 64)
        for point in cloud(offset: line.offset, slope: line.slope, seed: seed) { envelope.add(x: point.x, y: point.y) }
        let found = try #require(envelope.line(at: 60))
        #expect(abs(found.slope - line.slope) < 20e-6, "seed \(seed)")
        #expect(abs(found.value - (line.offset + line.slope * 60)) < 0.001, "seed \(seed)")
    }

    /// The same optimum is found by trying all lines through two points.
    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func itIsTheNearestOfAllLinesBelow(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        let points = (0..<12).map { (x: Double($0) + 0.5, y: random.normal()) }
        var envelope = LowerEnvelope(bucket: 1, capacity: 12)
        for point in points { envelope.add(x: point.x, y: point.y) }
        func cost(_ slope: Double, _ value: Double) -> Double? {
            let gaps = points.map { $0.y - (value + slope * $0.x) }
            return gaps.contains { $0 < -1e-9 } ? nil : gaps.reduce(0, +)
        }
        var least = Double.infinity
        for (i, a) in points.enumerated() {
            for b in points[(i + 1)...] {
                let slope = (b.y - a.y) / (b.x - a.x)
                least = min(least, cost(slope, a.y - slope * a.x) ?? .infinity)
            }
        }
        let found = try #require(envelope.line(at: 0))
        #expect(abs(try #require(cost(found.slope, found.value)) - least) < 1e-9, "seed \(seed)")
    }

    @Test func noLineIsSteeperThanItMayBe() throws {
        var envelope = LowerEnvelope(bucket: 1, capacity: 8, steepest: 0.001)
        envelope.add(x: 0, y: 0)
        envelope.add(x: 1.3, y: 1.7e9)
        #expect(try #require(envelope.line(at: 20)) == (0.001, 0.02))
        envelope.add(x: 2.5, y: -1.7e9)
        #expect(try #require(envelope.line(at: 2.5)) == (-0.001, -1.7e9))
    }

    @Test func whatIsNotFiniteIsPassedOver() throws {
        var envelope = LowerEnvelope(bucket: 1, capacity: 4)
        for wild in [Double.nan, .infinity, -.infinity] {
            envelope.add(x: wild, y: 1)
            envelope.add(x: 1, y: wild)
        }
        #expect(envelope.isEmpty)
    }

    @Test func onlyTheNewestBucketsCount() throws {
        var envelope = LowerEnvelope(bucket: 1, capacity: 4)
        #expect(envelope.isEmpty && envelope.line(at: 0) == nil)
        envelope.add(x: 0, y: -100)
        #expect(try #require(envelope.line(at: 9)) == (0, -100))
        for x in 1...10 { envelope.add(x: Double(x), y: 1) }
        #expect(try #require(envelope.line(at: 20)) == (0, 1) && envelope.extent == 3)
    }
}
