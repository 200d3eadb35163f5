import Files
import Foundation
import StrictJSON

/// A chat of a tutor and a student in which the student needs help, and what an expert would have replied.
public struct TutoringChat: Sendable, Equatable {
    /// What somebody wrote.
    public struct Message: Sendable, Equatable {
        /// Whether the tutor wrote it; otherwise the student.
        public var isTutors: Bool
        public var text: String

        public init(isTutors: Bool, text: String) { (self.isTutors, self.text) = (isTutors, text) }
    }

    /// The messages so far, the last of which is replied to.
    public var messages: [Message]
    /// The expert's reply: messages of the tutor.
    public var reply: [String]
    /// The kind of the student's error as the expert sees it, an index in `errorKinds`.
    public var error: Int

    public init(messages: [Message], reply: [String], error: Int) { (self.messages, self.reply, self.error) = (messages, reply, error) }

    /// The kinds of errors; the last stands for everything that experts wrote in words of their own.
    public static let errorKinds = ["guess", "misinterpret", "careless", "right-idea", "imprecise", "diagnose", "other"]

    /// Why a file cannot be used.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Bounds of a file, of a chat's messages and of a text in bytes.
    public static let byteLimit = 1 << 28, messageLimit = 256, textLimit = 1 << 14

    /// Reads chats in the format of Bridge: a JSON list of objects with `c_h`, the messages so far, and `c_r_`, the expert's reply, each
    /// a list of objects with `user` and `text`; and `e`, the kind of the error.
    /// - Throws: what is wrong, in one sentence with the chat's number.
    public static func read(path: String) throws -> [TutoringChat] {
        let json: JSON
        do { json = try JSON(parsing: readFile(path, atMost: byteLimit, streams: true)) } catch {
            throw Failure(description: "cannot read \(path): \(error)")
        }
        guard let list = json.array else { throw Failure(description: "\(path) is not a list of chats") }
        guard !list.isEmpty else { throw Failure(description: "\(path) has no chats") }
        return try list.enumerated().map { index, chat in
            do { return try TutoringChat(chat) } catch { throw Failure(description: "\(path), chat \(index): \(error)") }
        }
    }

    private init(_ json: JSON) throws {
        messages = try Self.messages(json, "c_h")
        reply = try Self.messages(json, "c_r_").map(\.text)
        guard !reply.isEmpty else { throw Failure(description: "'c_r_' has no message with a text") }
        guard let kind = json["e"]?.string else { throw Failure(description: "'e' should be a text") }
        error = Self.errorKinds.dropLast().firstIndex(of: kind) ?? Self.errorKinds.count - 1
    }

    private static func messages(_ json: JSON, _ key: String) throws -> [Message] {
        guard let list = json[key]?.array, (1...messageLimit).contains(list.count) else {
            throw Failure(description: "'\(key)' should be a list of 1 to \(messageLimit) messages")
        }
        // Some messages have an empty text, and are passed over.
        return try list.compactMap { message in
            guard let user = message["user"]?.string, ["tutor", "student"].contains(user) else {
                throw Failure(description: "a message of '\(key)' has no 'user' that is 'tutor' or 'student'")
            }
            guard let text = message["text"]?.string, text.utf8.count <= textLimit else {
                throw Failure(description: "a message of '\(key)' has no 'text' of at most \(textLimit) bytes")
            }
            return text.isEmpty ? nil : Message(isTutors: user == "tutor", text: text)
        }
    }
}
