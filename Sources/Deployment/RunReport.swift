import Foundation
import Safetensors
import Schema
import Stages
import Statistics

/// What a run came to, as `schemas/report.schema.json` describes it.
public struct RunReport: Codable, Sendable, Equatable {
    public struct Scores: Codable, Sendable, Equatable {
        public var labelled: UInt64
        public var accuracy: Double
        public var tokens: UInt64
        /// Nats a token.
        public var tokenNLL: Double
        public var bitsPerByte: Double
        /// Nats a label.
        public var classNLL: Double
        /// Expected calibration error.
        public var calibration: Double
    }

    public struct Metrics: Codable, Sendable, Equatable {
        public var model: Scores
        public var frozen: Scores
        /// With each session's own adapters, where they are on.
        public var personal: Scores?
        public var masked: [String: Scores]
    }

    public struct Quantiles: Codable, Sendable, Equatable {
        public var count: UInt64
        public var p50: Double
        public var p90: Double
        public var p99: Double
        public var max: Double
    }

    public var accrete: String
    public var mode: String
    public var seed: Int
    public var moments: UInt64
    public var predictions: UInt64
    /// Moments that were not scored because the model had learned from them.
    public var setAside: UInt64
    /// Over the whole run.
    public var metrics: Metrics
    /// Over the newest moments.
    public var window: Metrics
    /// The first scores of the run.
    public var start: Metrics?
    /// By stage and reason.
    public var drops: [String: [String: UInt64]]
    /// Messages missed between stages, by stage and topic.
    public var gaps: [String: [String: UInt64]]
    /// What stages noted without dropping it, by stage: early and out-of-order readings, moments set aside, versions missed.
    public var noted: [String: [String: Double]]
    /// Seconds from the arrival of a moment's end at ingest.
    public var latencySeconds: [String: Quantiles]
    public var learning: LearningReport
    public var updates: UInt64
    public var version: UInt64
    public var sha256: String
    public var checkpoint: String
    public var restarts: [String: Int]
    public var wallSeconds: Double
    public var peakMemoryBytes: [String: UInt64]
    public var settings: [String: String]

    public var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
        }
    }
}

extension RunReport {
    init(_ record: RunRecord, _ plan: GraphPlan, seconds: Double, restarts: [String: Int]) {
        let statuses = record.statuses
        func byStage<Value>(_ value: (String) -> Value) -> [String: Value] {
            Dictionary(uniqueKeysWithValues: statuses.keys.map { ($0, value($0)) })
        }
        self.init(
            accrete: accreteVersion, mode: plan.settings.mode.rawValue, seed: plan.settings.seed,
            moments: record.summary.map { $0.moments.clampedAdding($0.setAside) } ?? 0, predictions: statuses["fuse"]?.sent["prediction"] ?? 0,
            setAside: record.summary?.setAside ?? 0, metrics: Metrics(record.summary?.running ?? []), window: Metrics(record.summary?.window ?? []),
            start: record.firstWindow, drops: byStage { record.drops(of: $0) }, gaps: byStage { statuses[$0]?.gaps.filter { $0.value > 0 } ?? [:] },
            noted: byStage { statuses[$0]?.gauges.filter { $0.value != 0 } ?? [:] }, latencySeconds: record.latencies, learning: LearningReport(record),
            updates: record.updates, version: record.update?.version ?? 0,
            sha256: record.update.map { SHA256.hex(Array($0.sha256)) } ?? "", checkpoint: plan.settings.learn.directory, restarts: restarts,
            wallSeconds: seconds, peakMemoryBytes: byStage { record.peakMemory(of: $0) }, settings: plan.settings.table)
    }
}

extension RunReport.Scores {
    public init(_ scores: Schema.Scores) {
        self.init(labelled: scores.labelled, accuracy: scores.accuracy, tokens: scores.tokens, tokenNLL: scores.tokenNll,
                  bitsPerByte: scores.bitsPerByte, classNLL: scores.classNll, calibration: scores.calibration)
    }

    static let none = Self(labelled: 0, accuracy: 0, tokens: 0, tokenNLL: 0, bitsPerByte: 0, classNLL: 0, calibration: 0)
}

extension RunReport.Metrics {
    public init(_ scores: [Schema.Scores]) {
        let byName = Dictionary(scores.map { ($0.name, RunReport.Scores($0)) }, uniquingKeysWith: { first, _ in first })
        let masked = byName.filter { $0.key.hasPrefix("masked.") }.map { (String($0.key.dropFirst("masked.".count)), $0.value) }
        self.init(model: byName["model"] ?? .none, frozen: byName["frozen"] ?? .none, personal: byName["personal"], masked: Dictionary(uniqueKeysWithValues: masked))
    }
}

extension RunReport.Quantiles {
    public init(_ quantiles: Schema.Quantiles) {
        self.init(count: quantiles.count, p50: quantiles.p50, p90: quantiles.p90, p99: quantiles.p99, max: quantiles.max)
    }
}

extension RunReport {
    /// The report in a few lines.
    public var summary: String {
        func line(_ name: String, _ scores: Scores) -> String {
            "  \(name.padding(toLength: 18, withPad: " ", startingAt: 0))"
                + String(format: "words %6.3f bits a byte   labels %5.1f %% right of %llu\n", scores.bitsPerByte, 100 * scores.accuracy, scores.labelled)
        }
        let lost = drops.flatMap { stage, reasons in reasons.map { "\(stage): \($0.key) \($0.value)" } }.sorted()
        let missed = gaps.flatMap { stage, topics in topics.map { "\(stage) missed \($0.value) of \($0.key)" } }.sorted()
        let memory = peakMemoryBytes.values.reduce(UInt64(0)) { $0.clampedAdding($1) } >> 20
        func milliseconds(_ name: String) -> String {
            latencySeconds[name].map { String(format: "p50 %.1f ms, p99 %.1f ms", 1000 * $0.p50, 1000 * $0.p99) } ?? "none"
        }
        let decisions = decisionLine(fuse: noted["fuse"] ?? [:], learn: noted["learn"] ?? [:]).map { "decisions:  \($0)\n" } ?? ""
        // Where decisions are all that is made of moments, nothing was scored.
        let scores = moments == 0 && !decisions.isEmpty ? "" : "over the whole run\n" + line("model", metrics.model) + (metrics.personal.map { line("personal", $0) } ?? "") + line("frozen twin", metrics.frozen)
            + metrics.masked.sorted { $0.key < $1.key }.map { line("without \($0.key)", $0.value) }.joined()
            + "over the newest \(window.model.labelled)\n" + line("model", window.model) + (window.personal.map { line("personal", $0) } ?? "") + line("frozen twin", window.frozen)
            + window.masked.sorted { $0.key < $1.key }.map { line("without \($0.key)", $0.value) }.joined()
        return "\nReport: \(moments) moments in \(Int(clamping: wallSeconds)) s, \(updates) updates, version \(version), \(setAside) moments set aside\n"
            + scores + decisions + learning.summary
            + "latency:    prediction \(milliseconds("prediction")); published update \(milliseconds("update"))\n"
            + "dropped:    \((lost + missed).isEmpty ? "nothing" : (lost + missed).joined(separator: ", "))\n"
            + "memory:     \(memory) MB at most, all stages\n"
            + (restarts.isEmpty ? "" : "restarts:   \(restarts.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", "))\n")
            + "checkpoint: \(checkpoint)\n"
    }
}
