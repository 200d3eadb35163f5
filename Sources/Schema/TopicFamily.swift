/// Topics that differ in their components only and carry one type of message: `sensor.<modality>.<source>/`.
public protocol AnyTopicFamily: Sendable {
    associatedtype Message: Stamped

    /// What every name of the family starts with: `sensor`, `model.update`.
    var name: String { get }

    /// What follows it, one component each: `["modality", "source"]`.
    var parameters: [String] { get }
}

extension AnyTopicFamily {
    /// Subscribing to this prefix is subscribing to the whole family, and to families whose names begin so: `order.` brings `order.answer.` too.
    public var prefix: String { parameters.isEmpty ? name + "/" : name + "." }

    /// `sensor.<modality>.<source>/`
    public var pattern: String { name + parameters.map { ".<\($0)>" }.joined() + "/" }

    /// The components of a topic's name, or nil when it is not one of this family.
    public func components(of topic: String) -> [String]? {
        guard topic.hasPrefix(prefix), topic.utf8.last == UInt8(ascii: "/") else { return nil }
        guard !parameters.isEmpty else { return topic == prefix ? [] : nil }
        let components = topic.dropFirst(prefix.count).dropLast().split(separator: ".", omittingEmptySubsequences: false)
        guard components.count == parameters.count, components.allSatisfy(TopicComponent.isValid) else { return nil }
        return components.map(String.init)
    }

    /// Decodes a header of this family's type.
    public func decode(_ header: [UInt8]) throws -> any Stamped { try Message(serializedBytes: header) }
}

public struct TopicFamily<Message: Stamped>: AnyTopicFamily {
    public let name: String
    public let parameters: [String]

    init(_ name: String, _ parameters: String...) {
        self.name = name
        self.parameters = parameters
    }

    /// The topic with these components, as many as the family has parameters: `try Topics.sensor("image", "camera")`.
    public func callAsFunction(_ components: String...) throws(TopicError) -> Topic<Message> {
        precondition(components.count == parameters.count, "\(pattern) needs \(parameters.count) components, not \(components)")
        for (parameter, component) in zip(parameters, components) where !TopicComponent.isValid(component) {
            throw TopicError(parameter: parameter, component: component)
        }
        return Topic(name: ([name] + components).joined(separator: ".") + "/")
    }
}

extension TopicFamily {
    /// The one topic of a family without parameters.
    public var only: Topic<Message> {
        precondition(parameters.isEmpty, "\(pattern) has many topics")
        return Topic(name: prefix)
    }
}

/// What may stand between two dots of a topic's name.
public enum TopicComponent {
    public static let maximumLength = 64

    /// 1 to `maximumLength` ASCII letters, digits, `-` or `_`.
    public static func isValid(_ text: some StringProtocol) -> Bool {
        (1...maximumLength).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}

/// A name that cannot stand in a topic.
public struct TopicError: Error, Equatable, CustomStringConvertible {
    public let parameter: String
    public let component: String

    public var description: String {
        "“\(component.prefix(TopicComponent.maximumLength))” cannot name a \(parameter): "
            + "1 to \(TopicComponent.maximumLength) letters, digits, “-” or “_” can"
    }
}
