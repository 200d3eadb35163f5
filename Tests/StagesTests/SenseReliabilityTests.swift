import Model
import Signals
import Statistics
import Testing
@testable import Fuse
@testable import Timing

/// The reliability of senses: a simulated camera that is covered, and other faults.
struct SenseReliabilityTests {
    /// The last frame and pose of each of a table's moments, through the frontends.
    private func moments(_ count: Int, world: Simulator.Configuration = .init(), seed: UInt64 = 1) throws -> [(
        input: MomentInput, camera: World.Camera
    )] {
        let frontends = Dictionary(uniqueKeysWithValues: try modalities.map { ($0.key, try frontend(for: $0.key)) })
        var simulator = try Simulator(seed: seed, world)
        return try (0..<count).map { _ in
            var input = MomentInput()
            let moment = simulator.next()
            for event in moment.events {
                guard case .reading(let reading) = event, case .payload(let raw) = reading.content,
                    let features = try frontends[reading.modality]?.features(of: raw)
                else { continue }
                if reading.modality == "text" {
                    input.text = features.values.map { Int($0) }
                } else {
                    input.senses[reading.modality] = SenseInput(
                        rows: features.rows, columns: features.columns, values: features.values, validity: features.validity)
                }
            }
            return (input, moment.world.camera)
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func aCoveredCameraIsMutedWithinSixMomentsAndReadmittedWithinSix(seed: UInt64) throws {
        var world = Simulator.Configuration()
        (world.firstDropout, world.dropoutPeriod, world.dropoutLength) = (60, 60, 20)
        let moments = try moments(400, world: world, seed: seed)
        var tracker = ReliabilityTracker(FuseSettings())
        var covered = 0, open = 0, episodes = 0
        for (index, moment) in moments.enumerated() {
            let judgement = tracker.judge(moment.input, session: "table")
            (covered, open) = moment.camera == .covered ? (covered + 1, 0) : moment.camera == .open ? (0, open + 1) : (0, 0)
            if covered == 1 { episodes += 1 }
            if covered >= 6 { #expect(judgement.muted == ["image"], "covered for \(covered), seed \(seed)") }
            if open >= 6 { #expect(judgement.muted.isEmpty, "open for \(open), \(judgement.reliability), moment \(index), seed \(seed)") }
        }
        #expect(episodes > 0, "no camera was covered, seed \(seed)")
    }

    @Test func usualReadingsMuteNoModality() throws {
        var world = Simulator.Configuration()
        world.firstDropout = 1_000_000
        var tracker = ReliabilityTracker(FuseSettings())
        for (index, moment) in try moments(900, world: world).enumerated() {
            let judgement = tracker.judge(moment.input, session: "table")
            #expect(judgement.muted.isEmpty, "moment \(index): \(judgement.reliability)")
        }
    }

    /// Predictions over ten classes that give the label this probability.
    private func opinions(_ sure: [String: Float]) -> [String: [Float]] {
        sure.mapValues { [$0] + Array(repeating: (1 - $0) / 9, count: 9) }
    }

    @Test func aSenseWhoseExpertFailsIsMutedAndReadmitted() throws {
        var tracker = ReliabilityTracker(FuseSettings())
        var random = RandomSource(seed: 5)
        let input = MomentInput(text: [1, 2, 3], senses: ["image": SenseInput(rows: 1, columns: 2, values: [0, 1])])
        var muted: [Int] = []
        for moment in 0..<400 {
            if tracker.judge(input, session: "a").muted == ["image"] { muted.append(moment) }
            let noise = Float(random.uniform(in: -0.1..<0.1))
            tracker.learn(
                opinions(["image": (150..<250).contains(moment) ? 0.05 : 0.8 + noise, "text": 0.5 - noise]), label: 0, classes: 10,
                session: "a")
        }
        let first = try #require(muted.first), last = try #require(muted.last)
        #expect((151...180).contains(first) && (250...280).contains(last) && muted.count == last - first + 1)
    }

    @Test func whereAllModalitiesErrMoreNoneIsMuted() {
        var tracker = ReliabilityTracker(FuseSettings())
        let input = MomentInput(text: [1, 2, 3], senses: ["image": SenseInput(rows: 1, columns: 2, values: [0, 1])])
        for moment in 0..<300 {
            #expect(tracker.judge(input, session: "a").muted.isEmpty)
            let sure: Float = moment < 150 ? 0.8 : 0.1
            tracker.learn(opinions(["image": sure, "text": sure]), label: 0, classes: 10, session: "a")
        }
    }

    @Test func theLastSenseIsNeverMutedAndSessionsAreApart() {
        var settings = FuseSettings()
        settings.maximumSessions = 2
        var tracker = ReliabilityTracker(settings)
        let dark = MomentInput(senses: ["image": SenseInput(rows: 1, columns: 2, values: [0, 0], validity: 0)])
        for moment in 0..<50 {
            let judgement = tracker.judge(dark, session: "a")
            #expect(judgement.muted.isEmpty)
            if moment == 49 { #expect(judgement.reliability["image"]! < 0.1) }
        }
        var both = dark
        both.text = [1]
        #expect(tracker.judge(both, session: "a").muted == ["image"])
        #expect(tracker.judge(both, session: "b").muted.isEmpty)
        settings.reliability.mutes = false
        #expect(settings.reliability.problems.isEmpty)
    }
}
