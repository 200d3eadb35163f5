import Schema
import Testing

@testable import Deployment

struct TopViewTests {
    private func status(_ seconds: Int64, received: UInt64, process: UInt64 = 5) -> Status {
        .with {
            ($0.stage, $0.process, $0.modelVersion, $0.peakMemory) = ("fuse", process, 7, 64 << 20)
            $0.stamp.time = seconds * 1_000_000_000
            ($0.received, $0.sent, $0.drops) = (["feature": received], ["moment": received / 2], ["late": 3])
        }
    }

    @Test func ratesAreThoseSinceTheStatusBefore() throws {
        var record = RunRecord(), view = TopView()
        func row(after status: Status) -> [Substring] {
            record.take(status)
            view.take(status)
            let lines = view.lines(record, after: 0, width: 100, height: 40)
            return lines.first { $0.contains("fuse") }?.split(separator: " ") ?? []
        }
        #expect(row(after: status(1, received: 100)) == ["fuse", "–", "–", "7", "64", "late", "3"])
        #expect(row(after: status(3, received: 140)).prefix(5) == ["fuse", "20.0", "10.0", "7", "64"])
        #expect(row(after: status(4, received: 2, process: 6)).prefix(3) == ["fuse", "0.0", "0.0"], "a new process counts anew")
    }

    @Test func theScreenFitsTheTerminal() {
        var record = RunRecord()
        let view = TopView()
        record.take(status(1, received: .max))
        for ordinal in 1...500 as ClosedRange<UInt64> {
            record.take(
                EvaluationSummary.with {
                    ($0.watermark, $0.moments) = (ordinal, ordinal)
                    $0.running = ["model", "frozen"].map { name in
                        .with { ($0.name, $0.labelled, $0.classNll) = (name, ordinal, name == "model" ? 1 : 2) }
                    }
                })
        }
        let lines = view.lines(record, after: 1e300, width: 80, height: 40)
        #expect(lines.allSatisfy { $0.count <= 80 })
        #expect(lines.contains { $0.hasPrefix("  model") && $0.contains("▅▅▅") } && lines.contains { $0.contains("baseline  ███") })
        #expect(view.lines(record, after: .nan, width: 1, height: 1).count == 1)
        #expect(view.lines(record, after: 1, width: 80, height: 5) == Array(view.lines(record, after: 1, width: 80, height: 40).prefix(5)))
    }
}
