import Schema
import Statistics

/// Why a run learned nothing.
public struct NothingLearned: Codable, Sendable, Equatable {
    /// In words, with what to do.
    public var why: String
    /// Readings and moments that had come; 0 where the run had nothing to learn from.
    public var came: UInt64
}

extension RunRecord {
    /// Nil where something was learned.
    var nothingLearned: NothingLearned? {
        guard !hasLearned else { return nil }
        let readings = statuses["ingest"]?.received["sensor"] ?? 0, made = UInt64(clamping: statuses["fuse"]?.gauges["moments"] ?? 0)
        let lines = drops(of: "play").values.reduce(UInt64(0)) { $0.clampedAdding($1) }
        let what = "\(readings) readings and \(made) moments came"
        func told(_ why: String) -> NothingLearned { .init(why: why, came: readings.clampedAdding(made).clampedAdding(lines)) }
        guard readings > 0 || made > 0 || lines > 0 else { return told("nothing came") }
        let decided = UInt64(clamping: statuses["fuse"]?.gauges["decisions"] ?? 0)
        if decided > 0 {
            return told("\(what) and \(decided) decisions were made, but of none was the reward told: publish feedback.* that cites them")
        }
        if let (stage, reason, count) = mostDropped {
            let advice = advices[reason] ?? "schemas/README.md explains it in section 10"
            return told("\(what); most were refused by \(stage) as \(reason.onOneLine) (\(count)): \(advice)")
        }
        if made == 0 { return told("\(what); moments end with a reading that says so, a cut, a label or cut.timeLimit: none did") }
        return told("\(what), without a label or a text to learn from")
    }

    /// What was refused most often, and where.
    private var mostDropped: (stage: String, reason: String, count: UInt64)? {
        statuses.keys.sorted().flatMap { stage in drops(of: stage).sorted { $0.key < $1.key }.map { (stage, $0.key, $0.value) } }
            .max { $0.2 < $1.2 }
    }
}

/// What to do about what is refused.
private let advices: [String: String] = [
    "wrongShape": "readings or features do not fit the model; make signals.*, model.senses and model.text agree",
    "unknownModality": "model.senses has no such sense, or no stage takes it; add it, or name the modality as the model does",
    "unknownFormat": "see section 3 of schemas/README.md for the formats",
    "clockInFuture": "times jump further than cut.maximumJump; correct the clocks or raise it",
    "cutRunsBack": "moments end before earlier ones; correct the clocks, or give each recording a session of its own",
    "timeRunsBack": "lines are out of order; sort the session by t",
    "late": "features come after their moment has closed; raise fuse.lateness, or replay with --mode lockstep",
    "shed": "the machine does not keep up; raise fuse.maximumLatency, lower play.speed or simulate.rate, or replay with --mode lockstep",
    "overflow": "the machine does not keep up; raise the queues under messaging, or replay with --mode lockstep",
    "labelOutOfRange": "labels are beyond model.classes; raise it",
    "orphanLabel": "labels name no moment; their time must be that of the moment's end",
    "labelNeverCame": "moments wait for labels that do not come; see learn.labelPatience",
    "nonFinite": "numbers are not finite, of readings or of gradients; look at the readings, lower learner.optimizerSettings.learning_rate",
    "missingFile": "the session names files that are not there",
    "pathOutside": "the session names files outside its directory",
    "brokenLine": "lines of the session are not as section 11 of schemas/README.md says",
    "tooLarge": "payloads are beyond a bound; make them smaller",
    "noModel": "the learner's updates did not come; see its log",
    "wrongModel": "updates are of another model; every stage must read the same settings",
    "passedOver": "messages that killed a stage were passed over; see the logs",
]
