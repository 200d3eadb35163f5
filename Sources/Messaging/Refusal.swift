/// The error thrown for bad input: the message is counted by its reason and dropped; nothing else is affected.
public struct Refusal: Error, Equatable, Sendable, CustomStringConvertible {
    /// The kind of bad input, by which it is counted.
    public let reason: Reason
    /// What exactly is wrong, for the log; may be empty.
    public let detail: String

    public init(_ reason: Reason, _ detail: String = "") {
        self.reason = reason
        self.detail = detail
    }

    public var description: String { detail.isEmpty ? reason.rawValue : "\(reason.rawValue): \(detail)" }
}

/// The name of a kind of bad input, as in a status and in a report.
public struct Reason: RawRepresentable, Hashable, Sendable, Codable, CustomStringConvertible {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public var description: String { rawValue }
}

/// The reasons that every stage may give; `schemas/README.md` explains them. A stage may have more of its own.
extension Reason {
    // Found while receiving.
    public static let tooFewParts = Reason(rawValue: "tooFewParts")
    public static let tooManyParts = Reason(rawValue: "tooManyParts")
    public static let oversize = Reason(rawValue: "oversize")
    public static let overflow = Reason(rawValue: "overflow")
    public static let unsent = Reason(rawValue: "unsent")

    // Found in the header.
    public static let unknownTopic = Reason(rawValue: "unknownTopic")
    public static let undecodable = Reason(rawValue: "undecodable")
    public static let schemaVersion = Reason(rawValue: "schemaVersion")
    public static let unstamped = Reason(rawValue: "unstamped")
    public static let tooLarge = Reason(rawValue: "tooLarge")
    public static let sequenceRunsBack = Reason(rawValue: "sequenceRunsBack")
    public static let staleEpoch = Reason(rawValue: "staleEpoch")

    // Known from an earlier crash.
    public static let passedOver = Reason(rawValue: "passedOver")

    // Found in the content.
    public static let unknownModality = Reason(rawValue: "unknownModality")
    public static let clockInFuture = Reason(rawValue: "clockInFuture")
    public static let truncated = Reason(rawValue: "truncated")
    public static let wrongShape = Reason(rawValue: "wrongShape")
    public static let nonFinite = Reason(rawValue: "nonFinite")
    public static let wrongDigest = Reason(rawValue: "wrongDigest")
}
