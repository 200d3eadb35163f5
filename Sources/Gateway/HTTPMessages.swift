import NIOHTTP1
import StrictJSON

/// A whole request.
struct HTTPRequest: Sendable {
    var method: HTTPMethod
    /// The path as it came, without the query.
    var path: String
    /// The query's names and values, not decoded further: names of sessions need no escapes.
    var query: [String: String] = [:]
    var headers: HTTPHeaders = [:]
    var body: [UInt8] = []
    /// The client's address, without its port.
    var client: String

    init(method: HTTPMethod, target: String, headers: HTTPHeaders = [:], body: [UInt8] = [], client: String) {
        self.method = method
        self.headers = headers
        self.body = body
        self.client = client
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(parts.first ?? "")
        for pair in (parts.count > 1 ? parts[1] : "").split(separator: "&").prefix(Self.maximumQuery) {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            query[String(halves[0])] = halves.count > 1 ? String(halves[1]) : ""
        }
    }

    private static let maximumQuery = 16

    /// The code of an `Authorization: Bearer` header; nil without one.
    var code: String? {
        guard let value = headers.first(name: "authorization"), value.lowercased().hasPrefix("bearer ") else { return nil }
        return String(value.dropFirst("bearer ".count))
    }
}

/// What becomes of a request once its head has come.
enum HTTPAdmission: Sendable {
    /// It is refused, whatever its body.
    case refused(HTTPReply)
    /// It is answered once its body has come.
    case accepted(@Sendable (HTTPRequest) async -> HTTPReply)
}

/// A response: its bytes, or events as they come.
struct HTTPReply: Sendable {
    enum Body: Sendable {
        case bytes([UInt8])
        case events(AsyncStream<String>)
    }

    var status: HTTPResponseStatus
    var type: String
    var body: Body
    /// Why the request was refused, as it is counted; nil if it was not.
    var refusal: String?

    init(_ status: HTTPResponseStatus, type: String, _ bytes: [UInt8]) {
        (self.status, self.type, body) = (status, type, .bytes(bytes))
    }

    init(events: AsyncStream<String>) {
        (status, type, body) = (.ok, "text/event-stream", .events(events))
    }

    /// A JSON value.
    static func json(_ value: JSON, status: HTTPResponseStatus = .ok) -> HTTPReply {
        HTTPReply(status, type: "application/json", Array(value.text().utf8))
    }

    /// A refusal, with its reason and a sentence about it, in the form of all errors.
    static func refuse(_ status: HTTPResponseStatus, _ reason: String, _ why: String) -> HTTPReply {
        OpenAIError(status: status, code: reason, member: nil, message: why, reason: reason).reply
    }
}
