import Foundation
import Safetensors
import Schema
import Statistics
import Wiring

/// What a run came to, as `schemas/report.schema.json` describes it.
public struct RunReport: Codable, Sendable, Equatable {
    public struct Scores: Codable, Sendable, Equatable {
        public var labelled: UInt64
        @Finite public var accuracy: Double
        public var tokens: UInt64
        /// Nats a token.
        @Finite public var tokenNLL: Double
        @Finite public var bitsPerByte: Double
        /// Nats a label.
        @Finite public var classNLL: Double
        /// Expected calibration error.
        @Finite public var calibration: Double
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
    @Finite public var noted: [String: [String: Double]]
    /// Seconds from the arrival of a moment's end at ingest.
    public var latencySeconds: [String: Quantiles]
    public var learning: LearningReport
    public var updates: UInt64
    public var version: UInt64
    public var sha256: String
    public var checkpoint: String
    public var restarts: [String: Int]
    @Finite public var wallSeconds: Double
    public var peakMemoryBytes: [String: UInt64]
    public var settings: [String: String]
    /// Moments that the scores are made of: where the evaluator was started again, those since.
    public var scored: UInt64
    /// Why nothing was learned; absent where something was.
    public var nothingLearned: NothingLearned?

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
