/// Topics that differ only in their components and have the same type of messages: `sensor.<modality>.<source>/`.
public protocol AnyTopicFamily: Sendable {
    associatedtype Message: Stamped

    /// The beginning of every name of the family: `sensor`, `model.update`.
    var name: String { get }

    /// The names of the components that follow: `["modality", "source"]`.
    var parameters: [String] { get }
}

extension AnyTopicFamily {
    /// The prefix to subscribe to for the whole family. It includes families whose names begin with it: `order.` includes
    /// `order.answer.`.
    public var prefix: String { parameters.isEmpty ? name + "/" : name + "." }

    /// The pattern of names, for messages: `sensor.<modality>.<source>/`.
    public var pattern: String { name + parameters.map { ".<\($0)>" }.joined() + "/" }

    /// The components of a topic's name; nil if it does not belong to this family.
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

/// A topic family with a given type of messages.
public struct TopicFamily<Message: Stamped>: AnyTopicFamily {
    public let name: String
    public let parameters: [String]

    init(_ name: String, _ parameters: String...) {
        self.name = name
        self.parameters = parameters
    }

    /// The topic with given components, as many as the family has parameters: `try Topics.sensor("image", "camera")`.
    /// - Throws: `TopicError`, if a component is invalid.
    public func callAsFunction(_ components: String...) throws(TopicError) -> Topic<Message> {
        precondition(components.count == parameters.count, "\(pattern) needs \(parameters.count) components, not \(components)")
        for (parameter, component) in zip(parameters, components) where !TopicComponent.isValid(component) {
            throw TopicError(parameter: parameter, component: component)
        }
        return Topic(name: ([name] + components).joined(separator: ".") + "/")
    }
}

extension TopicFamily {
    /// The only topic of a family without parameters.
    public var only: Topic<Message> {
        precondition(parameters.isEmpty, "\(pattern) has many topics")
        return Topic(name: prefix)
    }
}

/// The syntax of a component of a topic's name.
public enum TopicComponent {
    /// The maximal length in bytes.
    public static let maximumLength = 64

    /// Whether a text is a valid component: 1 to `maximumLength` ASCII letters, digits, `-` or `_`.
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

/// A name that is not a valid component of a topic.
public struct TopicError: Error, Equatable, CustomStringConvertible {
    /// The name of the family's parameter.
    public let parameter: String
    /// The invalid component.
    public let component: String

    public var description: String {
        "“\(component.prefix(TopicComponent.maximumLength))” cannot name a \(parameter): "
            + "1 to \(TopicComponent.maximumLength) letters, digits, “-” or “_” can"
    }
}
