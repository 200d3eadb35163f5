import Foundation
import Safetensors
import Schema
import Statistics
import Wiring

/// The report of a run, in the format described by `schemas/report.schema.json`.
public struct RunReport: Codable, Sendable, Equatable {
    public struct Scores: Codable, Sendable, Equatable {
        public var labelled: UInt64
        @Finite public var accuracy: Double
        public var tokens: UInt64
        /// Mean negative log-likelihood in nats per token.
        @Finite public var tokenNLL: Double
        @Finite public var bitsPerByte: Double
        /// Mean negative log-likelihood in nats per label.
        @Finite public var classNLL: Double
        /// Expected calibration error.
        @Finite public var calibration: Double
    }

    public struct Metrics: Codable, Sendable, Equatable {
        public var model: Scores
        /// Of the frozen baseline: the model with its initial parameters.
        public var frozen: Scores
        /// Of the model with each session's adapters; nil if personalisation is off.
        public var personal: Scores?
        /// Of the model without one sense, by the sense's name.
        public var masked: [String: Scores]
    }

    public struct Quantiles: Codable, Sendable, Equatable {
        public var count: UInt64
        @Finite public var p50: Double
        @Finite public var p90: Double
        @Finite public var p99: Double
        @Finite public var max: Double
    }

    public var accrete: String
    public var mode: String
    public var seed: Int
    public var moments: UInt64
    public var predictions: UInt64
    /// The number of moments that were not scored because the model had already learned from them.
    public var setAside: UInt64
    /// The scores over the whole run.
    public var metrics: Metrics
    /// The scores over the newest moments.
    public var window: Metrics
    /// The first scores of the run.
    public var start: Metrics?
    /// The number of dropped items, by stage and reason.
    public var drops: [String: [String: UInt64]]
    /// The number of messages lost between stages, by receiving stage and topic.
    public var gaps: [String: [String: UInt64]]
    /// Gauges of the stages that are not zero, by stage, such as early and out-of-order readings, moments set aside, versions missed.
    @Finite public var noted: [String: [String: Double]]
    /// Latencies in seconds; of predictions and updates, from the arrival of a moment's end at ingest.
    public var latencySeconds: [String: Quantiles]
    public var learning: LearningReport
    /// The number of model updates published.
    public var updates: UInt64
    /// The version of the last update.
    public var version: UInt64
    public var sha256: String
    public var checkpoint: String
    public var restarts: [String: Int]
    @Finite public var wallSeconds: Double
    public var peakMemoryBytes: [String: UInt64]
    public var settings: [String: String]
    /// The number of moments scored; if the evaluator was restarted, since its last start.
    public var scored: UInt64
    /// Why nothing was learned; nil if something was.
    public var nothingLearned: NothingLearned?

    /// The report as JSON text.
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
            moments: record.moments, predictions: statuses["fuse"]?.sent["prediction"] ?? 0,
            setAside: record.summary?.setAside ?? 0, metrics: Metrics(record.summary?.running ?? []),
            window: Metrics(record.summary?.window ?? []),
            start: record.firstWindow, drops: byStage { record.drops(of: $0) },
            gaps: byStage { statuses[$0]?.gaps.filter { $0.value > 0 } ?? [:] },
            noted: byStage { statuses[$0]?.gauges.filter { $0.value != 0 } ?? [:] }, latencySeconds: record.latencies,
            learning: LearningReport(record),
            updates: record.updates, version: record.update?.version ?? 0,
            sha256: record.update.map { SHA256.hex(Array($0.sha256)) } ?? "", checkpoint: plan.settings.learn.directory, restarts: restarts,
            wallSeconds: seconds, peakMemoryBytes: byStage { record.peakMemory(of: $0) }, settings: plan.settings.table,
            scored: record.summary?.moments ?? 0, nothingLearned: record.nothingLearned)
    }
}

extension RunReport.Scores {
    public init(_ scores: Schema.Scores) {
        self.init(
            labelled: scores.labelled, accuracy: scores.accuracy, tokens: scores.tokens, tokenNLL: scores.tokenNll,
            bitsPerByte: scores.bitsPerByte, classNLL: scores.classNll, calibration: scores.calibration)
    }

    static let none = Self(labelled: 0, accuracy: 0, tokens: 0, tokenNLL: 0, bitsPerByte: 0, classNLL: 0, calibration: 0)
}

extension RunReport.Metrics {
    public init(_ scores: [Schema.Scores]) {
        let byName = Dictionary(scores.map { ($0.name, RunReport.Scores($0)) }, uniquingKeysWith: { first, _ in first })
        let masked = byName.filter { $0.key.hasPrefix("masked.") }.map { (String($0.key.dropFirst("masked.".count)), $0.value) }
        self.init(
            model: byName["model"] ?? .none, frozen: byName["frozen"] ?? .none, personal: byName["personal"],
            masked: Dictionary(uniqueKeysWithValues: masked))
    }
}

extension RunReport.Quantiles {
    public init(_ quantiles: Schema.Quantiles) {
        self.init(count: quantiles.count, p50: quantiles.p50, p90: quantiles.p90, p99: quantiles.p99, max: quantiles.max)
    }
}
