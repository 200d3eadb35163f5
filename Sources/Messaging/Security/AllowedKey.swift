import Schema
import StrictJSON

/// An entry of a graph's list of keys: whose key it is and what its owner may do.
public struct AllowedKey: Sendable, Equatable {
    /// The owner's name, for people.
    public let name: String
    /// By which the owner is known.
    public let publicKey: String
    /// What the owner may do.
    public let roles: Set<Role>
    /// The sources under which a publisher may send.
    public let sources: Set<String>
    /// The most messages and bytes that the owner may send in a second; nil: as the settings say.
    public let messageRate: Double?, byteRate: Double?

    /// The most sources of one key.
    static let mostSources = 256

    /// - Throws: `MessagingError` for a name or source that cannot be one, or a rate that is none.
    public init(
        name: String, publicKey: String, roles: Set<Role>, sources: Set<String> = [], messageRate: Double? = nil, byteRate: Double? = nil
    ) throws(MessagingError) {
        func refuse(_ reason: String) -> MessagingError { MessagingError("use a key of '\(name.prefix(64))'", reason) }
        guard TopicComponent.isValid(name) else { throw refuse("a name has letters, digits, - and _ only") }
        guard CurveKeyPair.isKey(publicKey) else { throw refuse("its public key is none") }
        guard !roles.isEmpty else { throw refuse("it has no role") }
        guard sources.count <= Self.mostSources, sources.allSatisfy({ TopicComponent.isValid($0) }) else {
            throw refuse("its sources are not at most \(Self.mostSources) names of letters, digits, - and _")
        }
        for rate in [messageRate, byteRate].compactMap(\.self) where !(rate > 0 && rate <= 1e12) {
            throw refuse("a rate of \(rate) a second is not above 0 and at most 1e12")
        }
        (self.name, self.publicKey, self.roles, self.sources) = (name, publicKey, roles, sources)
        (self.messageRate, self.byteRate) = (messageRate, byteRate)
    }

    /// The entry as an object of the list's file.
    public var json: JSON {
        var members: [(String, JSON)] = [
            ("name", .string(name)), ("public", .string(publicKey)), ("roles", .array(roles.map(\.rawValue).sorted().map { .string($0) })),
        ]
        if !sources.isEmpty { members.append(("sources", .array(sources.sorted().map { .string($0) }))) }
        if let messageRate { members.append(("messageRate", .number(messageRate))) }
        if let byteRate { members.append(("byteRate", .number(byteRate))) }
        return .object(Dictionary(uniqueKeysWithValues: members))
    }

    /// - Throws: `MessagingError` for an object that is no entry.
    init(_ json: JSON) throws(MessagingError) {
        func names(_ key: String) -> [String]? { json[key].map { $0.array?.compactMap(\.string) ?? [] } }
        guard let name = json["name"]?.string, let publicKey = json["public"]?.string, let roles = names("roles") else {
            throw MessagingError("use a list of keys", "an entry lacks name, public or roles")
        }
        let known = roles.compactMap { Role(rawValue: $0) }
        guard known.count == roles.count else { throw MessagingError("use a list of keys", "'\(name.prefix(64))' has an unknown role") }
        try self.init(
            name: name, publicKey: publicKey, roles: Set(known), sources: Set(names("sources") ?? []),
            messageRate: json["messageRate"]?.double,
            byteRate: json["byteRate"]?.double)
    }
}
