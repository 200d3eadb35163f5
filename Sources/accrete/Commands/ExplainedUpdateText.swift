import Foundation
import Launch
import Learn
import Learning

/// What moved a version of the model, in words or as JSON, from the file beside a learner's newest checkpoint.
enum ExplainedUpdateText {
    /// - Parameters:
    ///   - version: a number, or `newest`.
    ///   - directory: of the run, or of its checkpoint.
    /// - Throws: `StartFailure` where the version is not explained there; the error of reading the file.
    static func show(_ version: String, of directory: String, json: Bool) throws {
        let places = ["\(directory)/checkpoint/\(InfluenceFile.name)", "\(directory)/\(InfluenceFile.name)"]
        guard let path = places.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
            throw StartFailure(
                "no version is explained in \(directory): set learn.influenceEvery, and wait for the first checkpoint after enough labels")
        }
        let updates = try InfluenceFile.read(path)
        guard let update = updates.last(where: { version == "newest" || UInt64(version) == $0.version }) else {
            let known = updates.map { "\($0.version)" }.suffix(16).joined(separator: ", ")
            throw StartFailure("version \(version) is not explained in \(directory); the newest that are: \(known)")
        }
        guard json else { return print(text(of: update)) }
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        print(String(decoding: try encoder.encode(update), as: UTF8.self))
    }

    static func text(of update: ExplainedUpdate) -> String {
        let own = update.explanation
        func nats(_ number: Double?) -> String { number.map { String(format: "%+.4f", $0) } ?? "not measured" }
        func list(_ gains: some Collection<UpdateExplanation.Gain>, _ name: (UpdateExplanation.Gain) -> String) -> String {
            gains.isEmpty ? "nothing" : gains.map { "\(name($0)) \(nats($0.gain))" }.joined(separator: ", ")
        }
        func moment(_ gain: UpdateExplanation.Gain) -> String {
            printable(gain.name) + " (" + (gain.label.map { "class \($0), " } ?? "") + (gain.isNew == true ? "new" : "replayed") + ")"
        }
        func group(_ gain: UpdateExplanation.Gain) -> String {
            "\(printable(gain.name)) (\(gain.rows) rows" + (gain.surprise.map { String(format: ", surprise %.2f", $0) } ?? "") + ")"
        }
        func changes(_ all: [UpdateExplanation.Change], worse: Bool) -> String {
            let own = all.filter { worse ? $0.after > $0.before : $0.after < $0.before }
            return (worse ? own : own.reversed()).prefix(5).map {
                String(format: "%@ %.3f → %.3f (of %d)", printable($0.name), $0.before, $0.after, $0.anchors)
            }.joined(separator: ", ")
        }
        var lines = [
            "version \(update.version), \(printable(update.reason)) (\(update.cause))"
                + (update.decision.map { "; the gate: \($0)" } ?? ""),
            String(
                format: "cost: %d moments, %d steps of %d rows in all, %.2f s", update.learned, own.steps, own.rows, update.seconds),
            String(format: "loss on %d old moments: %.4f → %.4f nats", own.anchors, own.before, own.after),
            "gain: nats that leaving it out costs, by making the version's steps again without it; below 0: it made the model worse",
            "made it worse: " + list(own.harmed.prefix(5), moment),
            "made it better: " + list(own.helped.prefix(5), moment),
            "sessions, the greatest surprise first (loss of their labels before they were learned): " + list(own.sessions, group),
        ]
        if own.uncounted > 0 { lines.append("not measured: \(own.uncounted) moments, too many or too little time") }
        for (name, all) in [("class", own.byClass), ("modality alone", own.byModality), ("session", own.bySession)] {
            let (worse, better) = (changes(all, worse: true), changes(all, worse: false))
            if !worse.isEmpty { lines.append("worse by \(name): \(worse)") }
            if !better.isEmpty { lines.append("better by \(name): \(better)") }
        }
        return lines.joined(separator: "\n")
    }
}
