import Applications
import Foundation
import Recordings
import Signals
import Statistics

/// Answers of ASSISTments: every student a session, every answer a moment with the item and its skill as words and the student's earlier
/// answers as numbers; the label is whether the answer is right.
struct AnswersOfStudents: Importer {
    static let summary = "answers of ASSISTments 2009 (user_id, item_id, skill_id, correct): whether the next answer is right"

    private let sessions: [[StudentAnswer]]

    init(path: String) throws {
        var reader = StudentAnswerReader()
        sessions = try reader.sessions(path: path)
    }

    let settings: [String] = []

    /// How many came and how many were right.
    private struct Tally {
        var count = 0.0, right = 0.0

        /// Their share, with a few that are neither more right nor wrong.
        var share: Float { Float((right + 2) / (count + 4)) }

        mutating func add(_ isRight: Bool) {
            count += 1
            right += isRight ? 1 : 0
        }
    }

    func write(to output: inout SessionOutput) throws {
        var items: [Int: Tally] = [:], skills: [Int: Tally] = [:], now = 0
        for session in sessions {
            var all = Tally(), own: [Int: Tally] = [:], recent: [Float] = []
            for answer in session {
                now += 1
                let name = "student-\(answer.student)", end = time(Double(now))
                let ofItem = items[answer.item] ?? Tally(), ofSkill = own[answer.skill] ?? Tally()
                // Everything here is of answers before this one.
                let inputs =
                    [
                        ofItem.share, (skills[answer.skill] ?? Tally()).share, all.share, ofSkill.share,
                        recent.reduce(0, +) / Float(max(1, recent.count)), recent.last ?? 0.5,
                    ] + [ofItem.count, all.count, ofSkill.count].map { Float(log($0 + 1)) }
                try output.write(
                    .reading(
                        .init(
                            time: end, session: name, source: "history", modality: "vector",
                            content: .payload(RawReading(vector: inputs)))))
                try output.write(
                    .reading(
                        .init(
                            time: end, session: name, source: "exercise", modality: "text",
                            content: .payload(RawReading(text: "skill\(answer.skill) item\(answer.item)")), endsMoment: true)))
                try output.write(
                    .label(.init(time: end, session: name, label: answer.isCorrect ? 1 : 0, classes: 2)))
                all.add(answer.isCorrect)
                items[answer.item, default: Tally()].add(answer.isCorrect)
                skills[answer.skill, default: Tally()].add(answer.isCorrect)
                own[answer.skill, default: Tally()].add(answer.isCorrect)
                recent = recent.suffix(4) + [answer.isCorrect ? 1 : 0]
            }
        }
    }
}
