import Schema
import Statistics

/// The state of a running graph, collected from the messages of its stages.
public struct RunRecord: Sendable {
    public private(set) var statuses: [String: Status] = [:]
    public private(set) var summary: EvaluationSummary?
    /// The scores of the first summary with any: those of the model at the start.
    public private(set) var firstWindow: RunReport.Metrics?
    /// The newest model update.
    public private(set) var update: ModelUpdate?
    /// Whether the evaluator has published its last summary.
    public private(set) var isComplete = false
    /// Drops counted by earlier processes of restarted stages.
    private var earlier: [String: [String: UInt64]] = [:]
    private var earlierMemory: [String: UInt64] = [:]
    /// The number of moments processed by evaluators before the newest one was started.
    public private(set) var evaluatedBefore: UInt64 = 0
    /// Whether the learner has reported that it learned anything in this run, or from this stream before.
    public private(set) var hasLearned = false

    public private(set) var domains: DomainSummary?
    public private(set) var verdict: Verdict?
    private var verdicts: UInt64 = 0
    /// The number of model updates published: the learner's messages under `model.` without verdicts and adapters of sessions.
    public var updates: UInt64 {
        let sent = statuses["learn"]?.sent["model"] ?? 0
        let others = verdicts.clampedAdding(UInt64(clamping: statuses["learn"]?.gauges["personalUpdates"] ?? 0))
        return sent - min(sent, others)
    }
    /// The lines of the learner's ledger, by serial.
    private var lines: [UInt64: TriggerLine] = [:]
    /// The newest of them, oldest first.
    var newestLines: [TriggerLine] { lines.values.sorted { $0.serial < $1.serial }.suffix(Self.newest) }
    private static let newest = 32
    public private(set) var points: [StreamPlot.Point] = []
    private var marks: [StreamPlot.Mark] = []
    private static let capacity = 100_000
    /// The most points and marks of the plot; of more, every second one is left out, so that the whole run stays in it.
    static let mostDrawn = 8_192
    private static let maximumStages = 1_000

    public init() {}

    public mutating func take(_ summary: DomainSummary) { domains = summary }

    public mutating func take(_ part: TriggerLedgerPart) {
        for line in part.lines where lines.count < Self.capacity || lines[line.serial] != nil { lines[line.serial] = line }
    }

    public mutating func take(_ verdict: Verdict) {
        self.verdict = verdict
        verdicts += 1
        if verdict.decision == "rolled_back" { mark(.rolledBack, at: verdict.momentsSeen, verdict.reason) }
        if verdict.decision == "refused" { mark(.refused, at: verdict.momentsSeen, verdict.reason) }
    }

    private mutating func mark(_ kind: StreamPlot.Mark.Kind, at ordinal: UInt64, _ label: String) {
        Self.append(.init(ordinal: ordinal, kind: kind, label: label), to: &marks)
    }

    private static func append<Drawn>(_ one: Drawn, to all: inout [Drawn]) {
        if all.count >= mostDrawn { all = stride(from: 0, to: all.count, by: 2).map { all[$0] } }
        all.append(one)
    }

    /// The number of ledger lines with the verdict `fired`, by rule.
    public var fired: [String: UInt64] {
        lines.values.reduce(into: [:]) { counts, line in if line.verdict == "fired" { counts[line.rule, default: 0] += 1 } }
    }

    /// The plot of the losses so far.
    public func plot(title: String) -> StreamPlot {
        let fired = lines.values.filter { $0.verdict == "fired" && $0.rule != "gate" }.sorted { $0.serial < $1.serial }
        let domains = zip(self.domains?.domains ?? [], self.domains?.starts ?? []).map {
            StreamPlot.Mark(ordinal: $1, kind: .domain, label: $0)
        }
        return StreamPlot(
            title: title, points: points,
            marks: domains + marks
                + fired.map {
                    .init(ordinal: $0.ordinal, kind: .fired, label: "\($0.rule): \($0.action) \($0.note)")
                })
    }

    /// Adds a point with the mean losses of the labels since the preceding summary.
    private mutating func addPoint(_ summary: EvaluationSummary) {
        func mean(_ name: String) -> Double? {
            guard let now = summary.running.first(where: { $0.name == name }) else { return nil }
            let then = self.summary?.running.first { $0.name == name }
            let count = Double(now.labelled) - Double(then?.labelled ?? 0)
            let sum = now.classNll * Double(now.labelled) - (then?.classNll ?? 0) * Double(then?.labelled ?? 0)
            return count > 0 && (sum / count).isFinite ? max(0, sum / count) : nil
        }
        guard summary.watermark > points.last?.ordinal ?? 0 else { return }
        Self.append(.init(ordinal: summary.watermark, model: mean("model"), frozen: mean("frozen")), to: &points)
    }

    public mutating func take(_ status: Status) {
        guard statuses[status.stage] != nil || statuses.count < Self.maximumStages else { return }
        if let old = statuses[status.stage], old.process != status.process {
            earlier[status.stage] = drops(of: status.stage)
            earlierMemory[status.stage] = peakMemory(of: status.stage)
        }
        statuses[status.stage] = status
        hasLearned =
            hasLearned || status.stage == "learn" && ["learned", "decisionsLearned"].contains { status.gauges[$0, default: 0] > 0 }
    }

    public mutating func take(_ summary: EvaluationSummary) {
        addPoint(summary)
        if let old = self.summary, old.stamp.epoch != summary.stamp.epoch {
            evaluatedBefore = evaluatedBefore.clampedAdding(old.moments).clampedAdding(old.setAside)
        }
        self.summary = summary
        if firstWindow == nil, summary.moments > 0 { firstWindow = .init(summary.running) }
        if summary.last { isComplete = true }
    }

    public mutating func take(_ update: ModelUpdate) {
        hasLearned = hasLearned || update.loss != 0
        if update.version != self.update?.version { mark(.update, at: update.momentsSeen, "version \(update.version)") }
        if self.update.map({ update.version >= $0.version || update.stamp.epoch > $0.stamp.epoch }) ?? true { self.update = update }
    }

    /// The number of items dropped by a stage, by reason, including its earlier processes.
    public func drops(of stage: String) -> [String: UInt64] {
        (statuses[stage]?.drops ?? [:]).merging(earlier[stage] ?? [:]) { $0.clampedAdding($1) }.filter { $0.value > 0 }
    }

    /// The peak memory of a stage in bytes, including its earlier processes.
    public func peakMemory(of stage: String) -> UInt64 {
        max(statuses[stage]?.peakMemory ?? 0, earlierMemory[stage] ?? 0)
    }

    /// The number of items dropped by all stages and of messages lost between them.
    public var totalDrops: UInt64 {
        statuses.reduce(0) { total, stage in
            drops(of: stage.key).values.reduce(stage.value.gaps.values.reduce(total) { $0.clampedAdding($1) }) { $0.clampedAdding($1) }
        }
    }

    /// Latencies in seconds: from the arrival of a moment's end at ingest to its prediction (`prediction`) and to the update that learned
    /// from it (`update`); from a moment to its label by the clock of the stream (`label`); and of adapting to a session (`adapting`).
    public var latencies: [String: RunReport.Quantiles] {
        let named = [
            ("prediction", statuses["fuse"]?.latency["prediction"]), ("update", statuses["learn"]?.latency["update"]),
            ("label", statuses["learn"]?.latency["label"]), ("adapting", statuses["learn"]?.latency["adapting"]),
        ]
        return Dictionary(uniqueKeysWithValues: named.compactMap { name, quantiles in quantiles.map { (name, .init($0)) } })
    }
}
