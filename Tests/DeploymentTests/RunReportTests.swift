import Configuration
import Foundation
import Schema
import Statistics
import StrictJSON
import Testing
@testable import Deployment

#if canImport(FoundationXML)
    import FoundationXML
#endif

struct RunReportTests {
    private let plan = GraphPlan(settings: GraphSettings(), source: .simulator, executables: "", directory: "")
    private let schema: JSONSchema

    init() throws {
        schema = try JSONSchema(path: Graph.root + "/schemas/report.schema.json")
    }

    private func value(_ report: RunReport) throws -> JSON {
        try JSONDecoder().decode(JSON.self, from: Data(report.json.utf8))
    }

    /// The record of a run with a scored moment, a drop, a gap, an update and all latencies.
    private var record: RunRecord {
        var record = RunRecord()
        let scores = ["model", "frozen", "personal", "masked.image", "masked.text"].map { name in
            Schema.Scores.with {
                $0.name = name; $0.labelled = 8; $0.accuracy = 0.625; $0.tokens = 170; $0.tokenNll = 2.5; $0.bitsPerByte = 3.6;
                $0.classNll = 1.25
            }
        }
        record.take(
            EvaluationSummary.with {
                $0.moments = 12; $0.setAside = 1; $0.running = scores; $0.window = scores
            })
        record.take(
            ModelUpdate.with {
                $0.version = 3; $0.sha256 = Data(repeating: 0xAB, count: 32)
            })
        let quantiles = Quantiles.with {
            $0.count = 12; $0.p50 = 0.004; $0.p90 = 0.006; $0.p99 = 0.0075; $0.max = 0.008
        }
        record.take(
            Status.with {
                $0.stage = "fuse"; $0.sent = ["prediction": 13]; $0.drops = ["late": 2]; $0.gauges = ["early": 3];
                $0.gaps = ["feature.image/": 1]
                $0.latency = ["prediction": quantiles]; $0.peakMemory = 40 << 20
            })
        record.take(
            Status.with {
                $0.stage = "learn"; $0.sent = ["model": 4]; $0.latency = ["update": quantiles, "label": quantiles, "adapting": quantiles]
            })
        record.take(
            DomainSummary.with {
                $0.domains = ["kitchen", "hall"]
                $0.rows = [.with { $0.accuracy = [0.75] }, .with { $0.accuracy = [0.5, 1] }]
                ($0.before, $0.initial, $0.starts) = ([0.25, 0.5], [0.25, 0.25], [1, 7])
                ($0.averageAccuracy, $0.anytimeAccuracy, $0.backwardTransfer, $0.forwardTransfer, $0.forgetting) = (
                    0.75, 0.75, -0.25, 0.25, 0.25
                )
            })
        record.take(
            Verdict.with {
                ($0.decision, $0.reason, $0.momentsSeen, $0.decisions) = ("refused", "worse", 9, ["refused": 1])
                $0.tallies = [
                    "serving": .with {
                        $0.labelled = 8; $0.accuracy = 0.5; $0.loss = 1
                    }
                ]
            })
        record.take(
            TriggerLedgerPart.with {
                $0.lines = [
                    .with { ($0.rule, $0.verdict, $0.action, $0.ordinal, $0.note) = ("drift", "fired", "replay_burst", 8, "8 <steps>") }
                ]
            })
        return record
    }

    @Test func aReportIsWhatItsSchemaSays() throws {
        let report = RunReport(record, plan, seconds: 4.5, restarts: ["fuse": 1])
        #expect(schema.problems(try value(report)) == [])
        #expect(report.moments == 13 && report.drops["fuse"] == ["late": 2] && report.sha256 == String(repeating: "ab", count: 32))
        let silent = try value(RunReport(RunRecord(), plan, seconds: 0.5, restarts: [:]))
        #expect(schema.problems(silent) == [])
        #expect(silent["start"] == nil && silent["latencySeconds"] == [:])
    }

    @Test func theGreatestCountsMakeAReport() throws {
        var record = record
        let greatest = UInt64.max
        for (process, stage) in [(1, "ingest"), (2, "ingest"), (1, "fuse"), (1, "learn")] as [(UInt64, String)] {
            record.take(
                Status.with {
                    ($0.stage, $0.process, $0.peakMemory, $0.modelVersion) = (stage, process, greatest, greatest)
                    ($0.drops, $0.gaps) = (
                        ["late": greatest, "overflow": greatest], ["sensor.vector.a/": greatest, "sensor.vector.b/": greatest]
                    )
                    ($0.received, $0.sent) = (["sensor": greatest], ["model": greatest, "prediction": greatest])
                    $0.latency = ["process": .with { ($0.count, $0.p50, $0.max) = (greatest, -1, 1e300) }]
                    $0.gauges = ["moments": 1e300, "personalUpdates": -1e300, "decisions": 1e300]
                })
        }
        record.take(EvaluationSummary.with { ($0.moments, $0.setAside, $0.watermark) = (greatest, greatest, greatest) })
        record.take(ModelUpdate.with { ($0.version, $0.momentsSeen) = (greatest, greatest) })
        record.take(
            Verdict.with {
                ($0.decision, $0.momentsSeen, $0.decisions) = ("rolled_back", greatest, ["refused": greatest, "accepted": greatest])
            })
        record.take(
            TriggerLedgerPart.with {
                $0.lines = [.with { ($0.serial, $0.ordinal, $0.verdict, $0.rule) = (greatest, greatest, "fired", "a") }]
            })
        #expect(record.totalDrops == greatest)
        #expect(record.drops(of: "ingest") == ["late": greatest, "overflow": greatest])
        let report = RunReport(record, plan, seconds: 1e300, restarts: [:])
        #expect(report.moments == greatest)
        #expect(!report.summary.isEmpty)
        #expect(record.plot(title: "t").svg.contains("</svg>"))
        #expect(!ProgressView.lines(record, after: 1e300).isEmpty)
        for gauge in [Double.nan, .infinity, -.infinity, -1] {
            record.take(Status.with { ($0.stage, $0.gauges) = ("learn", ["personalUpdates": gauge]) })
            record.take(Status.with { ($0.stage, $0.gauges) = ("fuse", ["moments": gauge, "decisions": gauge]) })
            #expect(!ProgressView.lines(record, after: gauge).isEmpty)
            #expect(record.updates <= greatest)
        }
    }

    /// A line is repeated while something changes; what was never scored is not shown as 0.
    @Test func progressShowsWhatIsScoredAndWhatChanges() {
        var record = RunRecord(), view = ProgressView(isTerminal: false)
        #expect(view.draw(record, after: 1).contains("waiting for the first words or labels"))
        #expect(view.draw(record, after: 7).isEmpty && view.draw(record, after: 59).isEmpty)
        #expect(view.draw(record, after: 61).hasPrefix("61 s"))
        let scores = Schema.Scores.with { ($0.name, $0.labelled, $0.accuracy) = ("model", 8, 0.5) }
        record.take(EvaluationSummary.with { ($0.moments, $0.watermark, $0.running, $0.window) = (20, 20, [scores], [scores]) })
        #expect(view.draw(record, after: 63).isEmpty, "not more often than at intervals")
        let line = view.draw(record, after: 67)
        #expect(line.contains("labels  50.0 % correct now") && !line.contains("bits per byte"), "\(line)")
    }

    @Test func theNumberOfUnknownStagesIsBounded() {
        var record = RunRecord()
        for number in 1...5_000 { record.take(Status.with { $0.stage = "s\(number)" }) }
        #expect(record.statuses.count == 1_000)
    }

    @Test func everyKeyOfTheSchemaIsInAReportOfEverything() throws {
        var full = RunReport(record, plan, seconds: 4.5, restarts: [:])
        full.nothingLearned = .init(why: "no readings were received", came: 0)
        let report = try value(full)
        let root = try JSONDecoder().decode(
            JSON.self, from: Data(contentsOf: URL(fileURLWithPath: Graph.root + "/schemas/report.schema.json")))
        func keys(_ value: JSON?) -> Set<String> { if case .object(let members) = value { Set(members.keys) } else { [] } }
        #expect(keys(report) == keys(root["properties"]))
        #expect(keys(report["metrics"]) == keys(root["$defs"]?["metrics"]?["properties"]))
        #expect(keys(report["metrics"]?["masked"]) == ["image", "text"])
        #expect(keys(report["metrics"]?["masked"]?["image"]) == keys(root["$defs"]?["scores"]?["properties"]))
        #expect(keys(report["latencySeconds"]) == keys(root["properties"]?["latencySeconds"]?["properties"]))
        for part in ["domains", "gate"] {
            #expect(keys(report["learning"]?[part]) == keys(root["properties"]?["learning"]?["properties"]?[part]?["properties"]))
        }
        #expect(keys(report["learning"]) == keys(root["properties"]?["learning"]?["properties"]))
        #expect(keys(report["latencySeconds"]?["update"]) == keys(root["$defs"]?["quantiles"]?["properties"]))
    }

    @Test func theSummaryOfARunWithDecisionsOnlyShowsThem() {
        var record = RunRecord()
        record.take(
            Status.with {
                $0.stage = "fuse"; $0.gauges = ["decisions": 900, "moments": 900]
            })
        record.take(
            Status.with {
                $0.stage = "learn";
                $0.gauges = [
                    "decisionsTold": 850, "decisionsUntold": 2, "decisionsLearned": 852, "policyVersion": 7, "decisionReward": 0.25,
                ]
            })
        let line = "900 decisions by policy version 7; learned from 852; 850 with feedback, 2 without; newest reward 0.2500"
        let summary = RunReport(record, plan, seconds: 4.5, restarts: [:]).summary
        #expect(summary.contains("decisions:  \(line)\n") && !summary.contains("frozen baseline"), "\(summary)")
        #expect(ProgressView.lines(record, after: 3).contains("  \(line)"))
    }

    @Test func aPlotMarksWhatHappened() throws {
        let svg = record.plot(title: "a & b").svg
        for piece in ["a &amp; b", "kitchen", "drift: replay_burst 8 &lt;steps>", "version 3", "worse", "frozen baseline"] {
            #expect(svg.contains(piece), "\(piece)")
        }
        let parser = XMLParser(data: Data(svg.utf8))
        #expect(parser.parse())
    }

    @Test func whatIsNotFiniteIsNullAndLosesNothingElse() throws {
        var record = record
        let diverged = Schema.Scores.with {
            ($0.name, $0.labelled, $0.accuracy, $0.classNll, $0.tokenNll, $0.bitsPerByte) = ("model", 8, 0.5, -.nan, .infinity, .nan)
        }
        record.take(EvaluationSummary.with { ($0.moments, $0.watermark, $0.running, $0.window) = (20, 20, [diverged], [diverged]) })
        record.take(
            Status.with {
                ($0.stage, $0.gauges) = ("fuse", ["moments": .infinity, "decisions": 2])
                $0.latency = ["prediction": Quantiles.with { ($0.count, $0.p50, $0.max) = (1, .nan, .infinity) }]
            })
        record.take(Status.with { ($0.stage, $0.gauges) = ("learn", ["decisionReward": -.infinity, "policyVersion": .nan, "learned": 1]) })
        record.take(
            DomainSummary.with {
                ($0.domains, $0.rows, $0.before, $0.initial) = (["a"], [.with { $0.accuracy = [.nan] }], [.infinity], [0.5]);
                $0.forgetting = .nan
            })
        record.take(Verdict.with { $0.tallies = ["serving": .with { ($0.labelled, $0.accuracy, $0.loss) = (8, 0.5, .nan) }] })
        let report = RunReport(record, plan, seconds: 4.5, restarts: [:]), json = try value(report)
        #expect(schema.problems(json) == [])
        let model = json["metrics"]?["model"]
        #expect(model?["classNLL"] == .null && model?["tokenNLL"] == .null && model?["bitsPerByte"] == .null && model?["accuracy"] == 0.5)
        #expect(json["noted"]?["fuse"]?["moments"] == .null && json["latencySeconds"]?["prediction"]?["p50"] == .null)
        #expect(json["learning"]?["gate"]?["loss"]?["serving"] == .null && json["learning"]?["domains"]?["accuracy"] == [[.null]])
        let read = try JSONDecoder().decode(RunReport.self, from: Data(report.json.utf8))
        #expect(read.metrics.model.classNLL.isNaN && read.metrics.model.accuracy == 0.5 && read.learning.domains?.before[0].isNaN == true)
        #expect(report.summary.contains("words not finite bits per byte   labels  50.0 % correct of 8"), "\(report.summary)")
        #expect(ProgressView.lines(record, after: 3)[0].contains("moments 18446744073709551615 (scored 20)"))
        #expect(!record.plot(title: "a").svg.contains("nan") && !record.plot(title: "a").svg.contains("inf"))
    }

    @Test func aPlotOfTheGreatestOrdinalIsDrawn() {
        let points: [StreamPlot.Point] = [.init(ordinal: 1, model: .nan, frozen: 2), .init(ordinal: .max, model: 1, frozen: .infinity)]
        let svg = StreamPlot(title: "\u{1B}[2J", points: points, marks: [.init(ordinal: .max, kind: .domain, label: "a\u{0}b")]).svg
        #expect(svg.contains("18446744073709551615") && !svg.contains("nan") && !svg.contains("\u{1B}") && !svg.contains("\u{0}"))
        #expect(XMLParser(data: Data(svg.utf8)).parse())
    }

    /// A month of summaries and versions: the plot has a bounded number of points, and they are of the whole run.
    @Test func aLongRunIsDrawnWholeWithBoundedPoints() {
        var record = RunRecord()
        let count: UInt64 = 50_000
        for number in 1...count {
            record.take(EvaluationSummary.with { $0.watermark = number })
            record.take(ModelUpdate.with { ($0.version, $0.momentsSeen) = (number, number) })
        }
        let ordinals = record.points.map(\.ordinal)
        #expect(ordinals.count <= RunRecord.mostDrawn && ordinals.count > RunRecord.mostDrawn / 4)
        #expect(ordinals.first == 1 && ordinals.last == count && ordinals == ordinals.sorted())
        #expect(ordinals.contains { $0 > count / 4 && $0 < count / 2 })
        #expect(record.plot(title: "").marks.count <= RunRecord.mostDrawn)
    }

    @Test func untrustedNamesAreShownInOneLine() {
        var record = RunRecord()
        record.take(Status.with { ($0.stage, $0.gaps, $0.drops) = ("ingest", ["a\n\u{1B}[31mb/": 2], ["late\r": 1]) })
        record.take(DomainSummary.with { ($0.domains, $0.rows) = (["x\u{202E}\u{2028}y"], [.with { $0.accuracy = [1] }]) })
        let summary = RunReport(record, plan, seconds: .infinity, restarts: [:]).summary
        #expect(
            summary.contains("ingest lost 2 of a\\n\\u{1B}[31mb/") && summary.contains("ingest: late\\r 1")
                && summary.contains("x\\u{202E}\\u{2028}y"), "\(summary)")
        #expect(!summary.contains("\u{1B}") && !summary.contains("\r"))
    }

    @Test func theReportTellsWhatItsScoresCoverWhenTheEvaluatorWasStartedAgain() {
        var record = RunRecord()
        for (epoch, moments) in [(1, 500), (1, 1_572), (2, 64), (2, 127)] as [(UInt64, UInt64)] {
            record.take(EvaluationSummary.with { ($0.stamp.epoch, $0.moments, $0.setAside) = (epoch, moments, 1) })
        }
        let report = RunReport(record, plan, seconds: 4.5, restarts: ["evaluate": 1])
        #expect(report.moments == 1_701 && report.scored == 127 && report.setAside == 1)
        #expect(report.summary.contains("over the newest 128 of 1701 moments: the evaluator was restarted"), "\(report.summary)")
        // Moments made while there was no evaluator are counted too.
        record.take(Status.with { ($0.stage, $0.gauges) = ("fuse", ["moments": 1_750]) })
        #expect(RunReport(record, plan, seconds: 4.5, restarts: [:]).moments == 1_750)
    }

    @Test func everyMessageButStatusesCountsAsProgress() {
        var record = RunRecord()
        func moves(_ change: (inout RunRecord) -> Void) -> Bool {
            let before = record.activity
            change(&record)
            return record.activity != before
        }
        #expect(moves { $0.take(Status.with { ($0.stage, $0.received) = ("learn", ["moment": 1]) }) })
        #expect(moves { $0.take(Status.with { ($0.stage, $0.received) = ("learn", ["moment": 2]) }) })
        #expect(!moves { $0.take(Status.with { ($0.stage, $0.received, $0.sent) = ("learn", ["moment": 2], ["status": 9]) }) })
        #expect(moves { $0.take(Status.with { ($0.stage, $0.sent) = ("play", ["messages": .max]) }) })
        #expect(moves { $0.take(EvaluationSummary.with { $0.watermark = 8 }) })
        #expect(!record.isPausing)
        record.take(Status.with { ($0.stage, $0.gauges) = ("play", ["nextIn": 119.5]) })
        #expect(record.isPausing)
        record.take(Status.with { ($0.stage, $0.gauges, $0.last) = ("play", ["nextIn": 1], true) })
        #expect(!record.isPausing)
    }

    @Test func aRunThatLearnedNothingSaysSoAndWhy() {
        var record = RunRecord()
        func why() -> NothingLearned? { RunReport(record, plan, seconds: 4.5, restarts: [:]).nothingLearned }
        #expect(why() == .init(why: "no readings were received", came: 0))
        // A run that goes on from a checkpoint has made no moment by that, and a damaged checkpoint rejects none.
        record.take(Status.with { ($0.stage, $0.gauges) = ("fuse", ["moments": 2_090]) })
        record.take(Status.with { ($0.stage, $0.drops) = ("learn", ["checkpointDamaged": 1]) })
        #expect(why() == .init(why: "no readings were received", came: 0))
        record.take(Status.with { ($0.stage, $0.received, $0.drops) = ("ingest", ["sensor": 40, "cut": 7], ["clockInFuture": 3]) })
        record.take(Status.with { ($0.stage, $0.drops) = ("extract-image", ["wrongShape": 30, "nonFinite": 2]) })
        let told = why()
        #expect(told?.came == 40)
        #expect(
            told?.why.hasPrefix("40 readings and 0 moments were received; most were rejected by extract-image as wrongShape (30): ")
                == true,
            "\(told?.why ?? "")")
        #expect(told?.why.contains("signals") == true)
        // What a learner had learned before its restart counts.
        record.take(Status.with { ($0.stage, $0.process, $0.gauges) = ("learn", 1, ["learned": 1]) })
        record.take(Status.with { ($0.stage, $0.process) = ("learn", 2) })
        #expect(why() == nil)
    }

    @Test func theSchemaTellsWhatIsWrong() throws {
        guard case .object(var members) = try value(RunReport(record, plan, seconds: 4.5, restarts: [:])) else {
            Issue.record("a report is no object")
            return
        }
        members["seed"] = nil
        members["moments"] = -1
        members["mode"] = "hurried"
        members["sha256"] = "ABBA"
        members["extra"] = true
        members["latencySeconds"] = ["prediction": ["count": 1, "p50": "soon", "p90": 1, "p99": 1, "max": 1]]
        #expect(
            Set(schema.problems(.object(members))) == [
                "/seed is missing", "/sha256 does not match ^([0-9a-f]{64})?$", "/moments is below 0.0",
                "/mode is none of [\"live\", \"lockstep\"]", "/extra is unknown",
                "/latencySeconds/prediction/p50 is of none of the types \"number\", \"null\"",
            ])
    }
}
