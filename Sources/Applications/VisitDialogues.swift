import Statistics

/// A doctor's and a patient's dialogue, and the section of a medical record that it belongs to.
public struct VisitDialogue: Sendable, Equatable {
    public var text: String
    /// An index from 0, in the order in which files name the sections.
    public var section: Int

    public init(text: String, section: Int) { (self.text, self.section) = (text, section) }
}

/// Dialogues read from files in the format of MTS-Dialog: columns `section_header` and `dialogue`, whose turns are lines that begin with
/// the speaker and a colon. Sections are the same in all files that one reader reads.
public struct VisitDialogueReader {
    /// Why a file cannot be used.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Names of sections by their indices.
    public private(set) var sections: [String] = []

    /// The most sections, and bytes of a dialogue.
    public static let sectionLimit = 256, textLimit = 1 << 20

    public init() {}

    /// Reads a file.
    /// - Throws: what is wrong, in one sentence.
    public mutating func dialogues(path: String) throws -> [VisitDialogue] {
        let file = try CSVFile(path: path)
        let texts = try file.texts(of: "dialogue"), names = try file.texts(of: "section_header")
        guard file.rowCount > 0 else { throw Failure(description: "\(path) has no dialogues") }
        return try zip(texts, names).enumerated().map { row, pair in
            let (text, name) = pair
            guard !name.isEmpty, !text.isEmpty else {
                throw Failure(description: "\(path), row \(row): 'dialogue' or 'section_header' is empty; the file may be cut off")
            }
            guard text.utf8.count <= Self.textLimit else {
                throw Failure(description: "\(path), row \(row): a dialogue of more than \(Self.textLimit) bytes")
            }
            if let section = sections.firstIndex(of: name) { return VisitDialogue(text: text, section: section) }
            guard sections.count < Self.sectionLimit else { throw Failure(description: "\(path): more than \(Self.sectionLimit) sections") }
            sections.append(name)
            return VisitDialogue(text: text, section: sections.count - 1)
        }
    }
}
