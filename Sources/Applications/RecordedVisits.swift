import Statistics

/// A whole visit to a doctor: what was said, and the note that was written of it.
public struct RecordedVisit: Sendable, Equatable {
    /// Turns that begin with their speaker, one a line.
    public var dialogue: String
    public var note: String

    public init(dialogue: String, note: String) { (self.dialogue, self.note) = (dialogue, note) }

    /// What somebody said.
    public struct Turn: Sendable, Equatable {
        /// `doctor`, `patient` and the like, or `speaker` where the line does not say.
        public var speaker: String
        public var text: String
    }

    /// What was said, turn by turn.
    public var turns: [Turn] {
        dialogue.split(whereSeparator: \.isNewline).compactMap { line in
            let end = line.first == "[" ? line.firstIndex(of: "]") : nil
            let name = end.map { line[line.index(after: line.startIndex)..<$0] } ?? ""
            let isName = !name.isEmpty && name.utf8.count <= Self.nameLimit && name.allSatisfy { $0.isASCII && ($0.isLetter || $0 == "_") }
            let speech = isName ? line[(end ?? line.startIndex)...].dropFirst() : line
            let text = speech.drop { $0 == " " }
            return text.isEmpty ? nil : Turn(speaker: isName ? name.lowercased() : "speaker", text: String(text))
        }
    }

    /// The maximal number of bytes of a speaker's name.
    private static let nameLimit = 32

    /// Why a file cannot be used.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// The maximal number of bytes of a dialogue or a note.
    public static let textLimit = 1 << 20

    /// Reads visits in the format of ACI-Bench: a CSV file with the columns `dialogue` and `note`.
    /// - Throws: what is wrong, in one sentence.
    public static func read(path: String) throws -> [RecordedVisit] {
        let file = try CSVFile(path: path)
        let dialogues = try file.texts(of: "dialogue"), notes = try file.texts(of: "note")
        guard file.rowCount > 0 else { throw Failure(description: "\(path) has no visits") }
        return try zip(dialogues, notes).enumerated().map { row, texts in
            guard !texts.0.isEmpty else { throw Failure(description: "\(path), row \(row): 'dialogue' is empty; the file may be cut off") }
            guard max(texts.0.utf8.count, texts.1.utf8.count) <= textLimit else {
                throw Failure(description: "\(path), row \(row): a text of more than \(textLimit) bytes")
            }
            return RecordedVisit(dialogue: texts.0, note: texts.1)
        }
    }
}
