import Foundation
import StrictJSON

/// The messages of a chat, as the words and the picture of one moment.
struct Conversation {
    private struct Message {
        var role: String
        var text: String
        var picture: CompletionRequest.Picture?
    }

    /// One message of a user is the moment's words as they are, behind those of the system. Of longer conversations each message is a
    /// paragraph that begins with its role.
    let moment: (text: String, picture: CompletionRequest.Picture?)

    private static let mostMessages = 256

    /// - Throws: `OpenAIError`.
    init(_ value: JSON?) throws(OpenAIError) {
        guard let list = value?.array, let last = list.indices.last else { throw .invalid("messages are missing", of: "messages") }
        guard list.count <= Self.mostMessages else {
            throw .tooLong("\(list.count) messages are more than \(Self.mostMessages)", of: "messages")
        }
        var messages: [Message] = []
        for (index, item) in list.enumerated() {
            let message = try Self.message(item, "messages[\(index)]")
            guard message.picture == nil || index == last else {
                throw .unsupported("messages[\(index)].content", "a picture in the last message alone")
            }
            messages.append(message)
        }
        guard messages[last].role == "user" else { throw .unsupported("messages", "the last message is the user's") }
        let system = messages.filter { $0.role == "system" }.map(\.text), turns = messages.filter { $0.role != "system" }
        let spoken = turns.count == 1 ? turns.map(\.text) : turns.map { "\($0.role == "user" ? "User" : "Assistant"): \($0.text)" }
        moment = ((system + spoken).joined(separator: "\n\n"), messages[last].picture)
    }

    private static func message(_ value: JSON, _ place: String) throws(OpenAIError) -> Message {
        guard let members = value.object else { throw .invalid("\(place) is not an object", of: place) }
        for (key, value) in members where !["role", "content"].contains(key) && value != .null {
            throw .unsupported("\(place).\(key)", "not known here")
        }
        let roles = ["system": "system", "developer": "system", "user": "user", "assistant": "assistant"]
        guard let role = members["role"]?.string.flatMap({ roles[$0] }) else {
            throw .unsupported("\(place).role", "system, developer, user or assistant")
        }
        switch members["content"] {
        case .string(let text)?: return Message(role: role, text: text)
        case .array(let parts)?: return try message(role, parts, "\(place).content")
        default: throw .invalid("\(place) has no content", of: "\(place).content")
        }
    }

    private static func message(_ role: String, _ parts: [JSON], _ place: String) throws(OpenAIError) -> Message {
        var texts: [String] = [], pictures: [CompletionRequest.Picture] = []
        for part in parts {
            switch part["type"]?.string {
            case "text"?:
                guard let text = part["text"]?.string else { throw .invalid("a part without its text", of: place) }
                texts.append(text)
            case "image_url"?: pictures.append(try picture(part["image_url"], place))
            default: throw .unsupported(place, "parts of type text and image_url")
            }
        }
        guard pictures.count <= 1 else { throw .unsupported(place, "the model sees one picture at a time") }
        return Message(role: role, text: texts.joined(separator: "\n"), picture: pictures.first)
    }

    /// A picture from a data URL. https://www.rfc-editor.org/rfc/rfc2397
    private static func picture(_ value: JSON?, _ place: String) throws(OpenAIError) -> CompletionRequest.Picture {
        guard let url = value?["url"]?.string else { throw .invalid("an image_url without its url", of: place) }
        if let detail = value?["detail"]?.string, detail != "auto", detail != "low" {
            throw .unsupported(place, "detail auto or low: pictures are scaled to what the model sees")
        }
        for format in ["image/jpeg", "image/png"] where url.hasPrefix("data:\(format);base64,") {
            guard let bytes = Data(base64Encoded: String(url.dropFirst("data:\(format);base64,".count))),
                ReadingBatch.isContent(Array(bytes), of: format)
            else { throw .invalid("the data URL is no \(format)", of: place) }
            return .init(format: format, bytes: Array(bytes))
        }
        throw .unsupported(place, "data URLs of image/jpeg and image/png in base64; nothing is fetched")
    }
}
