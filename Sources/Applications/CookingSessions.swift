import Files
import Foundation
import StrictJSON

/// A recorded session of somebody cooking: steps of a recipe in the order in which they began.
public struct CookingSession: Sendable, Equatable {
    /// A step as it was carried out.
    public struct Step: Sendable, Equatable {
        public var id: Int
        public var text: String
        /// Seconds in the recording.
        public var start, end: Double
        /// Whether something went wrong in it.
        public var isWrong: Bool

        public init(id: Int, text: String, start: Double, end: Double, isWrong: Bool) {
            (self.id, self.text, self.start, self.end, self.isWrong) = (id, text, start, end, isWrong)
        }
    }

    public var recipe: String
    public var person: String
    public var steps: [Step]

    public init(recipe: String, person: String, steps: [Step]) {
        (self.recipe, self.person, self.steps) = (recipe, person, steps)
    }

    /// Why a file cannot be used.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Bounds of a file, of a session's steps and of a recipe's, and of a text in bytes.
    public static let byteLimit = 1 << 28, stepLimit = 512, textLimit = 1024

    /// Reads sessions from JSON lines, as the annotations of CaptainCook4D are joined: `recipe`, `person` and `steps`, each with `id`,
    /// `start`, `end`, `text` and, where something went wrong, `errors`.
    ///
    /// A step that was left out has a negative start; it is no event, and is passed over.
    /// - Throws: what is wrong, in one sentence with its line.
    public static func read(path: String) throws -> [CookingSession] {
        let bytes: [UInt8]
        do { bytes = try readFile(path, atMost: byteLimit, streams: true) } catch {
            throw Failure(description: "cannot read \(path): \(error.cause)")
        }
        var sessions: [CookingSession] = []
        for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            guard line.contains(where: { ![0x20, 0x09, 0x0D].contains($0) }) else { continue }
            do { sessions.append(try CookingSession(JSON(parsing: line))) } catch {
                throw Failure(description: "\(path), line \(index + 1): \(error)")
            }
        }
        guard sessions.contains(where: { !$0.steps.isEmpty }) else { throw Failure(description: "\(path) has no steps") }
        return sessions
    }

    private init(_ json: JSON) throws {
        func text(_ key: String) throws -> String {
            guard let text = json[key]?.string ?? json[key]?.integer.map(String.init), text.utf8.count <= Self.textLimit else {
                throw Failure(description: "'\(key)' should be a text of at most \(Self.textLimit) bytes, or an integer")
            }
            return text
        }
        (recipe, person) = (try text("recipe"), try text("person"))
        guard let steps = json["steps"]?.array, steps.count <= Self.stepLimit else {
            throw Failure(description: "'steps' should be a list of at most \(Self.stepLimit)")
        }
        self.steps = try steps.compactMap { step in
            guard let id = step["id"]?.integer else { throw Failure(description: "a step has no integer 'id'") }
            guard let start = step["start"]?.double, let end = step["end"]?.double, abs(start) < Self.timeLimit, abs(end) < Self.timeLimit
            else { throw Failure(description: "step \(id) has no 'start' and 'end' within \(Int(Self.timeLimit)) seconds") }
            let text = step["text"]?.string ?? ""
            guard text.utf8.count <= Self.textLimit else {
                throw Failure(description: "step \(id) has a text of more than \(Self.textLimit) bytes")
            }
            return start < 0 ? nil : Step(id: id, text: text, start: start, end: end, isWrong: step["errors"]?.array?.isEmpty == false)
        }
    }

    /// The latest time in a recording, in seconds.
    private static let timeLimit = 1e7
}

/// The recipes' lists of steps: ids and texts, by ascending id, which is not the order in which the steps are done.
public struct RecipeBook: Sendable {
    struct Step: Sendable {
        var id: Int
        /// The first word of the text, which is mostly a verb, and its other words.
        var verb: String
        var words: Set<String>
    }

    private(set) var steps: [String: [Step]] = [:]

    /// Collects the steps of all sessions.
    /// - Throws: if a recipe has more than `CookingSession.stepLimit` steps.
    public init(_ sessions: [CookingSession]) throws {
        var texts: [String: [Int: String]] = [:]
        for session in sessions {
            for step in session.steps where texts[session.recipe]?[step.id] == nil {
                texts[session.recipe, default: [:]][step.id] = step.text
            }
        }
        for (recipe, list) in texts {
            guard list.count <= CookingSession.stepLimit else {
                throw CookingSession.Failure(description: "'\(recipe)' has \(list.count) steps, more than \(CookingSession.stepLimit)")
            }
            steps[recipe] = list.sorted { $0.key < $1.key }.map { id, text in
                let words = Self.words(of: text)
                return Step(id: id, verb: words.first ?? "", words: Set(words.dropFirst()))
            }
        }
    }

    private static let common: Set<String> = [
        "the", "a", "an", "of", "in", "to", "and", "on", "with", "for", "it", "until", "into", "from", "or", "is", "be", "you", "will",
        "about", "at",
    ]

    private static func words(of text: String) -> [String] {
        text.lowercased().split { !("a"..."z").contains($0) }.map(String.init).filter { !common.contains($0) }.map { word in
            word.hasSuffix("s") ? String(word.dropLast()) : word
        }
    }
}
