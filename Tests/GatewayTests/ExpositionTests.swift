import Foundation
import Schema
import StrictJSON
import Testing

@testable import Gateway

struct ExpositionTests {
    private static var text: String {
        var graph = GraphView.Newest()
        graph.statuses.set(
            .with {
                ($0.stage, $0.modelVersion, $0.peakMemory) = ("fuse", 7, 1024)
                $0.drops = ["late": 3]
                ($0.received, $0.sent, $0.gaps) = (["feature": 12], ["moment": 4], ["feature.image/": 1])
                $0.gauges = ["moments": 4, "reliability.odd\"name\\": .nan]
                $0.latency = ["prediction": .with { ($0.count, $0.p50, $0.p90, $0.p99, $0.max) = (4, 0.01, 0.02, 0.03, 0.04) }]
            }, for: "fuse")
        graph.update = .with { ($0.version, $0.momentWatermark, $0.loss) = (7, 99, 1.5) }
        graph.verdict = .with { $0.decisions = ["accepted": 2] }
        graph.summary = .with {
            $0.moments = 5
            $0.running = [
                .with { ($0.name, $0.accuracy, $0.labelled, $0.tokens) = ("frozen", 0.25, 4, 9) }, .with { $0.name = "unlabelled" },
            ]
        }
        let metrics = GatewayMetrics()
        metrics.refused("wrongCode")
        metrics.replied(200)
        metrics.published("sensor")
        metrics.predicted(after: 0.002)
        metrics.predicted(after: 60)
        return Exposition(graph, metrics.now, streams: 1, connections: 2, memory: 4096).text
    }

    @Test func whatIsPublishedAndWhatIsRefusedCanBeRead() {
        let lines = Set(Self.text.split(separator: "\n").map(String.init))
        for line in [
            #"accrete_stage_dropped_total{stage="fuse",reason="late"} 3"#,
            #"accrete_stage_received_messages_total{stage="fuse",topic="feature"} 12"#,
            #"accrete_stage_latency_seconds{stage="fuse",kind="prediction",quantile="0.99"} 0.03"#,
            #"accrete_stage_value{stage="fuse",name="reliability.odd\"name\\"} NaN"#, "accrete_model_version 7",
            #"accrete_gate_decisions_total{decision="accepted"} 2"#,
            #"accrete_evaluation_accuracy_ratio{model="frozen",span="stream"} 0.25"#,
            #"accrete_gateway_refused_total{reason="wrongCode"} 1"#, #"accrete_prediction_seconds_bucket{le="0.001"} 0"#,
            #"accrete_prediction_seconds_bucket{le="0.0025"} 1"#, #"accrete_prediction_seconds_bucket{le="30.0"} 1"#,
            #"accrete_prediction_seconds_bucket{le="+Inf"} 2"#, "accrete_prediction_seconds_sum 60.002",
            "accrete_prediction_seconds_count 2",
        ] {
            #expect(lines.contains(line.replacing(#"odd\"name\\"#, with: #"odd\"name\\"#)), "\(line)")
        }
    }

    @Test func theMeanOfNothingIsNotZero() {
        #expect(!Self.text.contains(#"model="unlabelled""#))
    }

    /// Every metric that the dashboard asks for is exported.
    @Test func theDashboardAsksForWhatIsExported() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let dashboard = try JSON(parsing: [UInt8](Data(contentsOf: root.appending(path: "deploy/grafana/accrete.json"))))
        let panels = try #require(dashboard["panels"]?.array)
        let queries = panels.flatMap { $0["targets"]?.array ?? [] }.compactMap { $0["expr"]?.string }
        let exported = Set(
            Self.text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in String(line.prefix { $0 != "{" && $0 != " " }) })
        let wanted = Set(queries.flatMap { query in query.matches(of: /accrete_[a-z_]+/).map { String($0.output) } })
        #expect(queries.count >= 20 && wanted.subtracting(exported).isEmpty, "\(wanted.subtracting(exported))")
    }

    private static let promtool = ["/usr/bin/promtool", "/usr/local/bin/promtool"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    @Test(.enabled(if: promtool != nil, "promtool is not installed"))
    func promtoolFindsNothingWrong() throws {
        let process = Process(), input = Pipe(), output = Pipe()
        process.executableURL = URL(fileURLWithPath: try #require(Self.promtool))
        process.arguments = ["check", "metrics"]
        (process.standardInput, process.standardOutput, process.standardError) = (input, output, output)
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data(Self.text.utf8))
        try input.fileHandleForWriting.close()
        let said = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0 && said.isEmpty, "\(said)")
    }
}
