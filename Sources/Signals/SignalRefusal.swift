/// Why a reading, or a line of a session, was turned away. It costs nothing but itself.
public struct SignalRefusal: Error, Sendable, Equatable, CustomStringConvertible {
    /// The raw value is the name under which reports count it, and does not change.
    public enum Reason: String, Sendable, CaseIterable {
        /// No bytes, no words, no numbers.
        case empty
        /// The modality does not know the format.
        case unknownFormat
        case unknownModality
        /// The payload ends before its own header says it should.
        case truncated
        /// The payload is not what its format says.
        case undecodable
        /// Sizes that do not fit the payload or the configuration.
        case wrongShape
        case nonFinite
        /// More than a named limit allows; found before anything is decoded.
        case tooLarge
        /// A line of a session that is not an object with the known keys.
        case brokenLine
        /// A session names a file that is not there or cannot be read.
        case missingFile
        /// A session names a file outside its directory.
        case pathOutside
        /// A line of a session that is out of time order.
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
