import Schema

/// What is known of a running graph, from what its stages tell.
public struct RunRecord: Sendable {
    public private(set) var statuses: [String: Status] = [:]
    public private(set) var summary: EvaluationSummary?
    /// The first summary that scored anything: how good the model was at the start.
    public private(set) var firstWindow: RunReport.Metrics?
    public private(set) var update: ModelUpdate?
    public private(set) var isComplete = false
    /// Counts of processes that ended, kept when a stage starts again.
    private var earlier: [String: [String: UInt64]] = [:]
    private var earlierMemory: [String: UInt64] = [:]

    public init() {}

    public mutating func take(_ status: Status) {
        if let old = statuses[status.stage], old.process != status.process {
            earlier[status.stage] = drops(of: status.stage)
            earlierMemory[status.stage] = peakMemory(of: status.stage)
        }
        statuses[status.stage] = status
    }

    public mutating func take(_ summary: EvaluationSummary) {
        self.summary = summary
        if firstWindow == nil, summary.moments > 0 { firstWindow = .init(summary.running) }
        if summary.last { isComplete = true }
    }

    public mutating func take(_ update: ModelUpdate) {
        if self.update.map({ update.version >= $0.version || update.stamp.epoch > $0.stamp.epoch }) ?? true { self.update = update }
    }

    public func drops(of stage: String) -> [String: UInt64] {
        (statuses[stage]?.drops ?? [:]).merging(earlier[stage] ?? [:], uniquingKeysWith: +).filter { $0.value > 0 }
    }

    public func peakMemory(of stage: String) -> UInt64 {
        max(statuses[stage]?.peakMemory ?? 0, earlierMemory[stage] ?? 0)
    }

    public var totalDrops: UInt64 {
        statuses.keys.reduce(0) { $0 + drops(of: $1).values.reduce(0, +) + (statuses[$1]?.gaps.values.reduce(0, +) ?? 0) }
    }

    /// Seconds from a moment's end at ingest to its prediction and to the update that learned from it; and of adapting to a session.
    public var latencies: [String: RunReport.Quantiles] {
        let named = [
            ("prediction", statuses["fuse"]?.latency["prediction"]), ("update", statuses["learn"]?.latency["update"]),
            ("adapting", statuses["learn"]?.latency["adapting"]),
        ]
        return Dictionary(uniqueKeysWithValues: named.compactMap { name, quantiles in quantiles.map { (name, .init($0)) } })
    }
}
