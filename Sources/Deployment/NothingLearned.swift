import Schema
import Statistics

/// Why a run learned nothing.
public struct NothingLearned: Codable, Sendable, Equatable {
    /// The reason and advice, as text.
    public var why: String
    /// The number of readings, moments and rejected session lines received; 0 if there was nothing to learn from.
    public var came: UInt64
}

extension RunRecord {
    /// Why nothing was learned; nil if something was.
    var nothingLearned: NothingLearned? {
        guard !hasLearned else { return nil }
        let readings = statuses["ingest"]?.received["sensor"] ?? 0
        // Without features fuse has made no moment: it counts on from those of an earlier run.
        let fuse = statuses["fuse"], made = fuse?.received["feature"] ?? 0 > 0 ? UInt64(clamping: fuse?.gauges["moments"] ?? 0) : 0
        let lines = drops(of: "play").values.reduce(UInt64(0)) { $0.clampedAdding($1) }
        let what = "\(readings) readings and \(made) moments were received"
        func reason(_ why: String) -> NothingLearned { .init(why: why, came: readings.clampedAdding(made).clampedAdding(lines)) }
        guard readings > 0 || made > 0 || lines > 0 else { return reason("no readings were received") }
        let decided = UInt64(clamping: statuses["fuse"]?.gauges["decisions"] ?? 0)
        if decided > 0 {
            return reason("\(what) and \(decided) decisions were made, but no feedback was received: publish feedback.* that cites them")
        }
        if let (stage, cause, count) = mostDropped {
            let advice = advices[cause] ?? "see section 10 of schemas/README.md"
            return reason("\(what); most were rejected by \(stage) as \(cause.onOneLine) (\(count)): \(advice)")
        }
        if made == 0 {
            return reason(
                "\(what), but no moment ended: a moment ends with a reading marked as its end, a cut, a label or after cut.timeLimit")
        }
        return reason("\(what), without a label or a text to learn from")
    }

    /// The most frequent reason for the rejection of what came, with the stage and the count.
    private var mostDropped: (stage: String, reason: String, count: UInt64)? {
        statuses.keys.sorted().flatMap { stage in
            drops(of: stage).filter { !$0.key.hasPrefix("checkpoint") }.sorted { $0.key < $1.key }.map { (stage, $0.key, $0.value) }
        }.max { $0.2 < $1.2 }
    }
}

/// Advice by reason for rejection.
private let advices: [String: String] = [
    "wrongShape": "readings or features do not match the model; make signals.*, model.senses and model.text consistent",
    "unknownModality": "model.senses has no such sense, or no stage processes it; add it, or use the model's name of the modality",
    "unknownFormat": "see section 3 of schemas/README.md for the formats",
    "clockInFuture": "times jump by more than cut.maximumJump; correct the clocks or raise it",
    "cutRunsBack": "moments end before earlier ones; correct the clocks, or use a separate session for each recording",
    "timeRunsBack": "lines are out of order; sort the session by t",
    "late": "features arrive after their moment has been closed; raise fuse.lateness or fuse.extraction, or replay with --mode lockstep",
    "shed": "the machine is too slow; raise fuse.maximumLatency, lower play.speed or simulate.rate, or replay with --mode lockstep",
    "overflow": "the machine is too slow; raise the queue limits under messaging, or replay with --mode lockstep",
    "labelOutOfRange": "labels are not below model.classes; raise it",
    "orphanLabel": "labels match no moment; their time must be that of the moment's end",
    "labelNeverCame": "the labels that moments wait for do not arrive; see learn.labelPatience",
    "nonFinite": "numbers of readings or gradients are not finite; check the readings, lower learner.optimizerSettings.learning_rate",
    "missingFile": "the session names files that do not exist or cannot be read",
    "pathOutside": "the session names files outside its directory",
    "brokenLine": "lines of the session are not in the format of section 11 of schemas/README.md",
    "tooLarge": "payloads exceed a limit; make them smaller",
    "noModel": "the learner's updates have not arrived; see its log",
    "wrongModel": "updates belong to another model; all stages must read the same settings",
    "passedOver": "messages that caused a stage to fail were skipped; see the logs",
]
