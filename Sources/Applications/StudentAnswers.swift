import Foundation
import Statistics

/// A student's answer to an item, which exercises a skill.
public struct StudentAnswer: Sendable, Equatable {
    /// Indices from 0, in the order in which a file names them.
    public var student, item, skill: Int
    /// The item's number in the file where it is one, else its index; items of one problem set have near numbers.
    public var number: Int
    public var isCorrect: Bool

    public init(student: Int, item: Int, skill: Int, number: Int? = nil, isCorrect: Bool) {
        (self.student, self.item, self.skill, self.isCorrect) = (student, item, skill, isCorrect)
        self.number = number ?? item
    }
}

/// Answers read from files in the format of the ASSISTments skill-builder data: columns `user_id`, `item_id`, `skill_id` and `correct`
/// (0 or 1), others being ignored; separated by tabs or commas; in the order of time within a student. Names are the same in all files
/// that one reader reads.
public struct StudentAnswerReader {
    /// Why a file cannot be used.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    private var students = Names(), items = Names(), skills = Names()

    /// Indices of names, in the order in which they come.
    private struct Names {
        private var indices: [String: Int] = [:]

        mutating func index(of name: String) -> Int {
            if let known = indices[name] { return known }
            indices[name] = indices.count
            return indices.count - 1
        }
    }

    public init() {}

    /// Reads a file. Rows of one student that follow each other, with the same item and outcome and another skill each, are one answer
    /// that exercises several skills: they become one, whose skill is the combination, so that no row contains the outcome of another.
    /// - Returns: the students' sessions, in the order in which the file first names each.
    /// - Throws: what is wrong, in one sentence.
    public mutating func sessions(path: String) throws -> [[StudentAnswer]] {
        let file = try CSVFile(path: path, separators: [",", "\t"])
        let columns = try (
            students: file.texts(of: "user_id"), items: file.texts(of: "item_id"), skills: file.texts(of: "skill_id"),
            correct: file.numbers(of: "correct")
        )
        guard file.rowCount > 0 else { throw Failure(description: "\(path) has no answers") }
        var sessions: [[StudentAnswer]] = []
        var places: [Int: Int] = [:]
        var row = 0
        while row < file.rowCount {
            let correct = columns.correct[row]
            guard correct == 0 || correct == 1 else {
                throw Failure(description: "\(path), row \(row): 'correct' is \(correct); it should be 0 or 1")
            }
            guard !columns.students[row].isEmpty, !columns.items[row].isEmpty else {
                throw Failure(description: "\(path), row \(row): 'user_id' or 'item_id' is empty; the file may be cut off")
            }
            var names = [columns.skills[row]]
            var next = row + 1
            while next < file.rowCount, columns.students[next] == columns.students[row], columns.items[next] == columns.items[row],
                columns.correct[next] == correct, !names.contains(columns.skills[next]), names.count < Self.skillLimit
            {
                names.append(columns.skills[next])
                next += 1
            }
            let answer = StudentAnswer(
                student: students.index(of: columns.students[row]), item: items.index(of: columns.items[row]),
                skill: skills.index(of: names.sorted().joined(separator: "+")),
                number: Int32(columns.items[row]).map(Int.init), isCorrect: correct == 1)
            let place = places[answer.student, default: sessions.count]
            if place == sessions.count {
                places[answer.student] = place
                sessions.append([])
            }
            sessions[place].append(answer)
            row = next
        }
        return sessions
    }

    /// The most skills of one answer.
    private static let skillLimit = 16
}
