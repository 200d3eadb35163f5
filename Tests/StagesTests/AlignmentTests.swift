import Schema
import Statistics
import Testing
@testable import Configuration
@testable import Timing

/// Moments do not depend on how readings travelled, up to the lateness; times in milliseconds here.
struct AlignmentTests {
    private static let millisecond: Int64 = 1_000_000

    private func rule(_ modality: String, _ policy: String, tolerance: Double? = nil, hold: Double? = nil) -> AlignmentRule {
        var rule = AlignmentRule(modality: modality)
        (rule.policy, rule.tolerance, rule.hold) = (policy, tolerance, hold)
        (rule.lateness, rule.disorder) = (0.04, 0.03)
        return rule
    }

    private func settings(_ rules: [AlignmentRule]) -> FuseSettings {
        var settings = FuseSettings()
        settings.alignment = rules
        return settings
    }

    private struct Sent {
        var at: Int64
        var arrival: MomentAligner.Arrival
    }

    /// A frame whose value is its time.
    private func frame(_ modality: String, at time: Int64, _ sequence: UInt64) -> Sent {
        Sent(
            at: time,
            arrival: .init(
                frame: .with {
                    $0.session = "a"; $0.source = "\(modality)-1"; $0.modality = modality; $0.time = time * Self.millisecond;
                    $0.sequence = sequence
                    $0.rows = 1; $0.columns = 1; $0.validity = 1
                }, values: [Float(time)]))
    }

    /// Pictures every 33 ms, sounds every 50, poses every 10, for three seconds.
    private var stream: [Sent] {
        [("image", 33), ("audio", 50), ("vector", 10)].flatMap { modality, period in
            (1...3000 / period).map { frame(modality, at: Int64($0 * period), UInt64($0)) }
        }
    }

    /// The moments that a live aligner closes, cut every 203 ms, and when each was closed.
    private func moments(of sent: [Sent], _ settings: FuseSettings, until end: Int64 = 3200) -> (
        slices: [MomentAligner.Slice], closed: [Int64], late: Int
    ) {
        let modalities = ["image", "audio", "vector"]
        var aligner = MomentAligner(settings, modalities: modalities, policies: ["image": "latest"], waitsForAll: false)
        let order = sent.indices.sorted { (sent[$0].at, $0) < (sent[$1].at, $1) }
        var next = 0, slices: [MomentAligner.Slice] = [], closed: [Int64] = [], late = 0
        for now in 0...end {
            while next < order.count, sent[order[next]].at <= now {
                if aligner.insert(sent[order[next]].arrival, at: now * Self.millisecond) == .late { late += 1 }
                next += 1
            }
            if now > 0, now % 203 == 0, now <= 2842 {
                let boundary = Boundary.with {
                    $0.ordinal = UInt64(now / 203); $0.session = "a"; $0.end = now * Self.millisecond
                }
                for modality in modalities { _ = aligner.insert(boundary, from: modality, at: now * Self.millisecond) }
            }
            while let slice = aligner.close(at: now * Self.millisecond, feedback: 0) {
                slices.append(slice)
                closed.append(now - slice.boundary.end / Self.millisecond)
            }
        }
        return (slices, closed, late)
    }

    /// The parts of a slice that do not depend on the boundary that a frame came after.
    private func contents(_ slices: [MomentAligner.Slice]) -> [[String: [[Float]]]] {
        slices.map { $0.frames.mapValues { $0.map(\.values) } }
    }

    @Test(arguments: ["concatenate", "latest", "nearest", "interpolated"], [1, 2, 3, 4, 5] as [UInt64])
    func delayedShuffledDuplicatedJitteredReadingsGiveTheSameMoments(policy: String, seed: UInt64) {
        let settings = settings([rule("image", "latest"), rule("audio", "concatenate"), rule("vector", policy)])
        let ordered = moments(of: stream, settings)
        var random = RandomSource(seed: seed)
        var travelled = stream.map { Sent(at: $0.at + Int64(random.uniform(below: 20)), arrival: $0.arrival) }
        travelled += travelled.filter { _ in random.uniform() < 0.3 }.map {
            Sent(at: $0.at + Int64(random.uniform(below: 5)), arrival: $0.arrival)
        }
        random.shuffle(&travelled)
        let shuffled = moments(of: travelled, settings)
        #expect(contents(shuffled.slices) == contents(ordered.slices), "seed \(seed)")
        // Every reading of its period: all sounds between two cuts, and the newest picture.
        func readings(_ period: Int, _ moment: Int) -> [Int] {
            stride(from: period, through: 3000, by: period).filter { $0 > 203 * moment && $0 <= 203 * (moment + 1) }
        }
        #expect(shuffled.slices.map { $0.frames["audio"]?.flatMap(\.values) } == (0..<14).map { readings(50, $0).map(Float.init) })
        #expect(
            shuffled.slices.map { $0.frames["image"]?.flatMap(\.values) } == (0..<14).map { readings(33, $0).suffix(1).map(Float.init) })
        if policy == "concatenate" {
            #expect(shuffled.slices.map { $0.frames["vector"]?.flatMap(\.values) } == (0..<14).map { readings(10, $0).map(Float.init) })
        }
        if policy == "latest" {
            #expect(
                shuffled.slices.map { $0.frames["vector"]?.flatMap(\.values) }
                    == (0..<14).map { readings(10, $0).suffix(1).map(Float.init) })
        }
        #expect(ordered.slices.count == 14 && shuffled.closed.allSatisfy { $0 <= 40 })
        #expect(ordered.slices.allSatisfy { $0.frames["vector"]?.isEmpty == false })
    }

    @Test func beyondTheLatenessWhatIsMissingIsCountedAndNothingElseChanges() {
        let settings = settings([rule("image", "concatenate"), rule("audio", "concatenate"), rule("vector", "concatenate")])
        var random = RandomSource(seed: 9)
        let travelled = stream.map { Sent(at: $0.at + Int64(random.uniform() < 0.1 ? 100 : 0), arrival: $0.arrival) }
        let ordered = moments(of: stream, settings), late = moments(of: travelled, settings)
        let (all, some) = (contents(ordered.slices), contents(late.slices))
        #expect(all.count == some.count && late.late > 0)
        for (whole, part) in zip(all, some) {
            for (modality, frames) in part { #expect(Set(frames).isSubset(of: Set(whole[modality] ?? []))) }
        }
        let count = { (moments: [[String: [[Float]]]]) in moments.reduce(0) { $0 + $1.values.reduce(0) { $0 + $1.count } } }
        #expect(count(all) - count(some) == late.late)
    }

    @Test func aSourceThatFallsSilentDoesNotStallTheOthers() {
        let settings = settings([rule("image", "latest"), rule("audio", "latest"), rule("vector", "latest")])
        let silent = stream.filter { $0.arrival.frame.modality != "audio" || $0.at < 1000 }
        let made = moments(of: silent, settings)
        #expect(made.slices.count == 14 && made.closed.allSatisfy { $0 <= 40 })
        #expect(made.slices.last?.frames["audio"] == nil && made.slices.last?.frames["image"] != nil)
    }

    @Test func everyPolicyChoosesItsFrames() {
        func chosen(_ policy: String, tolerance: Double? = nil, hold: Double? = nil, times: [Int64], end: Int64 = 203) -> [Float]? {
            let own = settings([rule("vector", policy, tolerance: tolerance, hold: hold)])
            let slices = moments(of: times.enumerated().map { frame("vector", at: $1, UInt64($0 + 1)) }, own).slices
            return slices.first { $0.boundary.end == end * Self.millisecond }?.frames["vector"]?.flatMap(\.values)
        }
        #expect(chosen("concatenate", times: [100, 190, 205]) == [100, 190])
        #expect(chosen("latest", times: [100, 190, 205]) == [190])
        #expect(chosen("nearest", times: [100, 190, 205]) == [205])
        #expect(chosen("nearest", times: [100, 201, 205]) == [201], "of two as near, the earlier")
        #expect(chosen("interpolated", times: [100, 193, 213]) == [203])
        #expect(chosen("interpolated", times: [100, 193]) == [193], "nothing is continued into the future")
        #expect(chosen("exact", times: [100, 203, 205]) == [203])
        #expect(chosen("exact", times: [100, 202, 205]) == nil)
        #expect(chosen("exact", tolerance: 0.0015, times: [100, 202, 205]) == [202])
        #expect(chosen("latest", tolerance: 0.05, times: [100]) == nil, "too old")
        #expect(chosen("latest", times: [190], end: 406) == nil)
        #expect(chosen("latest", hold: 0.3, times: [190], end: 406) == [190], "an earlier moment's frame stands in")
        #expect(chosen("latest", hold: 0.3, times: [190], end: 609) == nil)
    }

    @Test func inLockstepFramesAfterABoundaryAreNotUsedBeforeIt() {
        let own = settings([rule("image", "nearest"), rule("audio", "latest")])
        func first(imageFirst: Bool) -> MomentAligner.Slice? {
            var aligner = MomentAligner(own, modalities: ["image", "audio"], waitsForAll: true)
            let boundary = Boundary.with {
                $0.ordinal = 1; $0.session = "a"; $0.end = 100 * Self.millisecond
            }
            func image() {
                _ = aligner.insert(frame("image", at: 90, 1).arrival, at: 0)
                _ = aligner.insert(boundary, from: "image", at: 0)
                _ = aligner.insert(frame("image", at: 101, 2).arrival, at: 0)
                #expect(aligner.insert(frame("image", at: 95, 3).arrival, at: 0) == .late)
            }
            if imageFirst { image() }
            _ = aligner.insert(boundary, from: "audio", at: 0)
            if !imageFirst { image() }
            return aligner.close(at: 0, feedback: 0)
        }
        let slice = first(imageFirst: true)
        #expect(slice?.frames["image"]?.map(\.values) == [[90]] && slice == first(imageFirst: false))
    }

    @Test func invalidRulesAreRefused() throws {
        let problems = { (yaml: String) in
            do {
                _ = try GraphSettings.read(path: nil, environment: [:], overrides: ["fuse.alignment=\(yaml)"])
                return ""
            } catch { return "\(error)" }
        }
        #expect(problems("[{modality: vector, policy: interpolated, tolerance: 0.2}]") == "")
        #expect(problems("[{modality: vector, policy: newest}]").contains("there are concatenate, latest, nearest, exact, interpolated"))
        #expect(problems("[{modality: sonar}]").contains("no sense 'sonar'"))
        #expect(problems("[{modality: text, policy: interpolated}]").contains("text: its readings cannot be interpolated"))
        #expect(problems("[{modality: image, hold: -1}]").contains("hold -1.0"))
    }
}
