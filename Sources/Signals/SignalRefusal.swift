/// Why a reading, or a line of a session, was rejected. Other readings and lines are not affected.
public struct SignalRefusal: Error, Sendable, Equatable, CustomStringConvertible {
    /// The reason; its raw value is the name under which reports count it, and never changes.
    public enum Reason: String, Sendable, CaseIterable {
        /// The reading has no bytes, words or numbers.
        case empty
        /// The modality does not know the format.
        case unknownFormat
        case unknownModality
        /// The payload is shorter than its header says.
        case truncated
        /// The payload does not conform to its format.
        case undecodable
        /// Sizes do not match the payload or the configuration.
        case wrongShape
        case nonFinite
        /// A named limit is exceeded; checked before decoding.
        case tooLarge
        /// A line of a session is not an object with the required keys.
        case brokenLine
        /// A file named by a session does not exist or cannot be read.
        case missingFile
        /// A file named by a session is outside its directory.
        case pathOutside
        /// A line of a session is out of time order.
        case timeRunsBack
    }

    public let reason: Reason
    public let detail: String

    public init(_ reason: Reason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    public var description: String { "\(reason.rawValue): \(detail)" }
}
