import Foundation
import Schema

/// Metrics in Prometheus' text format 0.0.4. https://prometheus.io/docs/instrumenting/exposition_formats/
struct Exposition {
    static let type = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text = ""

    /// The metrics of the graph and of the gateway.
    init(_ graph: GraphView.Newest, _ own: GatewayMetrics.Counts, streams: Int, connections: Int, memory: UInt64) {
        var statuses: [Status] = []
        var iterator = graph.statuses.makeIterator()
        while let (_, status) = iterator.next() { statuses.append(status) }
        statuses.sort { $0.stage < $1.stage }
        stages(statuses)
        models(graph)
        gateway(own, streams: streams, connections: connections, memory: memory, undecodable: graph.undecodable)
    }

    private mutating func stages(_ statuses: [Status]) {
        func each(_ map: KeyPath<Status, [String: UInt64]>, _ label: String) -> [([(String, String)], Double)] {
            statuses.flatMap { status in
                status[keyPath: map].sorted { $0.key < $1.key }.map { ([("stage", status.stage), (label, $0.key)], Double($0.value)) }
            }
        }
        add("accrete_stage_received_messages_total", "counter", "Messages that a stage has received.", each(\.received, "topic"))
        add("accrete_stage_sent_messages_total", "counter", "Messages that a stage has sent.", each(\.sent, "topic"))
        add("accrete_stage_dropped_total", "counter", "Items that a stage has dropped, by reason.", each(\.drops, "reason"))
        add("accrete_stage_lost_messages_total", "counter", "Messages that did not reach a stage.", each(\.gaps, "topic"))
        add(
            "accrete_stage_peak_memory_bytes", "gauge", "The greatest memory of a stage.",
            statuses.map { ([("stage", $0.stage)], Double($0.peakMemory)) })
        add(
            "accrete_stage_model_version", "gauge", "The version of the model in use.",
            statuses.map { ([("stage", $0.stage)], Double($0.modelVersion)) })
        add(
            "accrete_stage_value", "gauge", "Values that a stage reports, by name.",
            statuses.flatMap { status in
                status.gauges.sorted { $0.key < $1.key }.map { ([("stage", status.stage), ("name", $0.key)], $0.value) }
            })
        let name = "accrete_stage_latency_seconds"
        head(name, "summary", "Latencies that a stage reports, by kind.")
        for status in statuses {
            for (kind, latency) in status.latency.sorted(by: { $0.key < $1.key }) {
                let labels = [("stage", status.stage), ("kind", kind)]
                for (quantile, value) in [("0.5", latency.p50), ("0.9", latency.p90), ("0.99", latency.p99), ("1", latency.max)] {
                    sample(name, labels + [("quantile", quantile)], value)
                }
                sample(name + "_count", labels, Double(latency.count))
            }
        }
    }

    private mutating func models(_ graph: GraphView.Newest) {
        if let update = graph.update {
            add("accrete_model_version", "gauge", "The version published last.", [([], Double(update.version))])
            add("accrete_model_watermark", "gauge", "The newest moment that it has learned from.", [([], Double(update.momentWatermark))])
            add("accrete_model_training_loss_nats", "gauge", "Mean training loss since the version before.", [([], update.loss)])
        }
        if let verdict = graph.verdict {
            add(
                "accrete_gate_decisions_total", "counter", "Decisions of the gate, by kind.",
                verdict.decisions.sorted { $0.key < $1.key }.map { ([("decision", $0.key)], Double($0.value)) })
        }
        guard let summary = graph.summary else { return }
        add("accrete_evaluation_moments_total", "counter", "Moments scored.", [([], Double(summary.moments))])
        let spans = [("stream", summary.running), ("window", summary.window)]
        func each(where isScored: (Scores) -> Bool, _ value: (Scores) -> Double) -> [([(String, String)], Double)] {
            spans.flatMap { span, list in list.filter(isScored).map { ([("model", $0.name), ("span", span)], value($0)) } }
        }
        // The mean of nothing is not 0.
        let hasLabels: (Scores) -> Bool = { $0.labelled > 0 }, hasWords: (Scores) -> Bool = { $0.tokens > 0 }
        add("accrete_evaluation_accuracy_ratio", "gauge", "Share of labels predicted right.", each(where: hasLabels, \.accuracy))
        add("accrete_evaluation_label_loss_nats", "gauge", "Mean loss of labels.", each(where: hasLabels, \.classNll))
        add(
            "accrete_evaluation_byte_loss_nats", "gauge", "Mean loss of words, for each byte.",
            each(where: hasWords) { $0.bitsPerByte * M_LN2 })
    }

    private mutating func gateway(_ own: GatewayMetrics.Counts, streams: Int, connections: Int, memory: UInt64, undecodable: UInt64) {
        add(
            "accrete_gateway_refused_total", "counter", "Requests, readings, events and connections refused, by reason.",
            own.refusals.sorted { $0.key < $1.key }.map { ([("reason", $0.key)], Double($0.value)) })
        add(
            "accrete_gateway_responses_total", "counter", "Responses, by status.",
            own.replies.sorted { $0.key < $1.key }.map { ([("status", "\($0.key)")], Double($0.value)) })
        add(
            "accrete_gateway_published_messages_total", "counter", "Messages published to the graph, by topic.",
            own.published.sorted { $0.key < $1.key }.map { ([("topic", $0.key)], Double($0.value)) })
        add(
            "accrete_gateway_undecodable_messages_total", "counter", "Messages of the graph that could not be read.",
            [([], Double(undecodable))])
        add("accrete_gateway_streams", "gauge", "Streams of events that are open.", [([], Double(streams))])
        add("accrete_gateway_connections", "gauge", "Connections that are open.", [([], Double(connections))])
        add("accrete_gateway_peak_memory_bytes", "gauge", "The greatest memory of the gateway.", [([], Double(memory))])
        histogram("accrete_gateway_response_seconds", "Time from a whole request to its response.", own.requests)
        histogram("accrete_prediction_seconds", "Time from the end of a moment to its prediction.", own.predictions)
        histogram("accrete_answer_seconds", "Time from the end of a moment to the first words of its answer.", own.answers)
    }

    private mutating func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
        head(name, "histogram", help)
        var total: UInt64 = 0
        for (bound, count) in zip(Histogram.bounds, histogram.counts) {
            total += count
            sample(name + "_bucket", [("le", "\(bound)")], Double(total))
        }
        sample(name + "_bucket", [("le", "+Inf")], Double(histogram.count))
        sample(name + "_sum", [], histogram.sum)
        sample(name + "_count", [], Double(histogram.count))
    }

    /// A metric with its samples; without any it is left out.
    private mutating func add(_ name: String, _ type: String, _ help: String, _ samples: [(labels: [(String, String)], value: Double)]) {
        guard !samples.isEmpty else { return }
        head(name, type, help)
        for (labels, value) in samples { sample(name, labels, value) }
    }

    private mutating func head(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    private mutating func sample(_ name: String, _ labels: [(String, String)], _ value: Double) {
        let inner = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
        text += name + (inner.isEmpty ? "" : "{\(inner)}") + " \(Self.written(value))\n"
    }

    private static func escaped(_ label: String) -> String {
        label.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }

    private static func written(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return Int64(exactly: value).map(String.init) ?? "\(value)"
    }
}
