import Foundation
import Schema
import StrictJSON

/// A request for a text, as OpenAI's API states it. What the graph cannot do is refused; nothing is ignored.
/// https://platform.openai.com/docs/api-reference/chat/create, https://platform.openai.com/docs/api-reference/completions/create
struct CompletionRequest: Sendable, Equatable {
    /// The two forms of the API.
    enum Form: Sendable { case chat, text }

    /// A picture as its bytes stand in the request.
    struct Picture: Sendable, Equatable {
        var format: String
        var bytes: [UInt8]
    }

    /// What a request may ask of this graph.
    struct Bounds: Sendable {
        /// The longest text, in bytes.
        var textBytes: Int
        /// Whether the model sees pictures.
        var seesPictures: Bool
        /// Whether a request may say how its answer is drawn.
        var drawsAsAsked: Bool
    }

    let form: Form
    /// The words of the moment that is asked about.
    let text: String
    let picture: Picture?
    /// How the answer is drawn.
    let answer: AnswerRequest
    /// Names a session of its own; empty: that of the access code.
    let user: String
    let isStreamed: Bool
    /// Whether a stream ends with its usage.
    let wantsUsage: Bool

    /// The model's name.
    static let model = "accrete"

    /// - Throws: `OpenAIError`.
    init(_ body: [UInt8], _ form: Form, within bounds: Bounds) throws(OpenAIError) {
        let json: JSON
        do { json = try JSON(parsing: body) } catch { throw .invalid("the body is not JSON: \(error)") }
        guard let members = json.object else { throw .invalid("the body is not a JSON object") }
        // A member that is null is as one that is not there.
        let given = Members(members.filter { $0.value != .null })
        guard let model = try given.string("model") else { throw .invalid("model is missing", of: "model") }
        guard model == Self.model else { throw .unknownModel(model) }
        self.form = form
        switch form {
        case .chat: (text, picture) = try Conversation(given.value("messages")).moment
        case .text: (text, picture) = (try Self.prompt(given.value("prompt")), nil)
        }
        let part = form == .chat ? "messages" : "prompt"
        guard !text.isEmpty else { throw .invalid("there is no text to answer", of: part) }
        guard text.utf8.count <= bounds.textBytes else {
            throw .tooLong("the text has \(text.utf8.count) bytes; signals.text.maximumBytes is \(bounds.textBytes)", of: part)
        }
        guard picture == nil || bounds.seesPictures else { throw .unsupported(part, "this graph's model sees no pictures") }
        user = try given.string("user") ?? ""
        guard user.isEmpty || TopicComponent.isValid(user) && user.utf8.count <= Self.userBytes else {
            throw .invalid("a user is 1 to \(Self.userBytes) letters, digits, - or _", of: "user")
        }
        isStreamed = try given.bool("stream") ?? false
        wantsUsage = try Self.wantsUsage(given.value("stream_options"), isStreamed: isStreamed)
        answer = try Self.answer(given, form, drawsAsAsked: bounds.drawsAsAsked)
        try given.refuseOthers()
    }

    private static let userBytes = 32

    private static func prompt(_ value: JSON?) throws(OpenAIError) -> String {
        switch value {
        case .string(let text)?: return text
        case .array(let list)?:
            guard list.count == 1, let text = list[0].string else { throw .unsupported("prompt", "one text, not several, and no tokens") }
            return text
        default: throw .invalid("prompt is missing", of: "prompt")
        }
    }

    private static func wantsUsage(_ options: JSON?, isStreamed: Bool) throws(OpenAIError) -> Bool {
        guard let options else { return false }
        guard isStreamed else { throw .invalid("stream_options are of a stream", of: "stream_options") }
        guard let members = options.object, members.keys.allSatisfy({ $0 == "include_usage" }) else {
            throw .unsupported("stream_options", "include_usage alone")
        }
        guard let wants = members["include_usage"] else { return false }
        guard let wants = wants.bool else { throw .invalid("include_usage is true or false", of: "stream_options") }
        return wants
    }

    private static func answer(_ given: Members, _ form: Form, drawsAsAsked: Bool) throws(OpenAIError) -> AnswerRequest {
        var answer = AnswerRequest()
        for key in form == .chat ? ["max_completion_tokens", "max_tokens"] : ["max_tokens"] {
            guard let tokens = try given.integer(key) else { continue }
            guard (1...Int(UInt32.max)).contains(tokens) else { throw .invalid("\(key) is 1 or more", of: key) }
            answer.maximumTokens = UInt32(tokens)
        }
        if let temperature = try given.number("temperature") {
            guard (0...2).contains(temperature) else { throw .invalid("temperature is 0 to 2", of: "temperature") }
            answer.temperature = temperature
        }
        if let topP = try given.number("top_p") {
            guard (0...1).contains(topP) else { throw .invalid("top_p is 0 to 1", of: "top_p") }
            answer.topP = max(topP, .leastNormalMagnitude)  // at 0 the most probable token alone
        }
        if let seed = try given.integer("seed") { answer.seed = UInt64(bitPattern: Int64(seed)) }
        for stop in try given.texts("stop") {
            guard (1...stopBytes).contains(stop.utf8.count) else { throw .invalid("a stop has 1 to \(stopBytes) bytes", of: "stop") }
            answer.stops.append(Data(stop.utf8))
        }
        guard answer.stops.count <= mostStops else { throw .invalid("at most \(mostStops) stops", of: "stop") }
        guard drawsAsAsked || answer == AnswerRequest() else {
            throw .unsupported("temperature", "this graph learns to write (decide.text), and draws its answers as its settings say")
        }
        return answer
    }

    /// The bounds of the messages' schema.
    private static let mostStops = 4, stopBytes = 64
}

/// The members of a request's object. Each is asked for once; what nobody has asked for is refused at the end.
private final class Members {
    private var remaining: [String: JSON]

    init(_ members: [String: JSON]) { remaining = members }

    func value(_ key: String) -> JSON? { remaining.removeValue(forKey: key) }

    func string(_ key: String) throws(OpenAIError) -> String? { try read(key, "a text") { $0.string } }
    func bool(_ key: String) throws(OpenAIError) -> Bool? { try read(key, "true or false") { $0.bool } }
    func number(_ key: String) throws(OpenAIError) -> Double? { try read(key, "a number") { $0.double } }
    func integer(_ key: String) throws(OpenAIError) -> Int? { try read(key, "a whole number") { $0.integer } }

    /// A text, or a list of them.
    func texts(_ key: String) throws(OpenAIError) -> [String] {
        try read(key, "a text or a list of texts") { value in
            if let text = value.string { return [text] }
            guard let list = value.array else { return nil }
            let texts = list.compactMap(\.string)
            return texts.count == list.count ? texts : nil
        } ?? []
    }

    private func read<Value>(_ key: String, _ kind: String, _ convert: (JSON) -> Value?) throws(OpenAIError) -> Value? {
        guard let json = value(key) else { return nil }
        guard let value = convert(json) else { throw .invalid("\(key) is \(kind)", of: key) }
        return value
    }

    /// Refuses members that are left, unless their value says what happens anyway.
    func refuseOthers() throws(OpenAIError) {
        for (key, value) in remaining.sorted(by: { $0.key < $1.key }) {
            guard let neutral = Self.neutral[key] else { throw .unsupported(key, "not known here") }
            guard value == neutral || value.double != nil && value.double == neutral.double else {
                throw .unsupported(key, "only \(neutral.text())")
            }
        }
    }

    private static let neutral: [String: JSON] = [
        "n": 1, "best_of": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": false, "echo": false, "suffix": "",
        "logit_bias": [:], "tools": [], "store": false, "metadata": [:], "response_format": ["type": "text"],
    ]
}
