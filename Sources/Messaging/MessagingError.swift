import CZeroMQ

/// An error of the bus: what was attempted, and why it failed.
public struct MessagingError: Error, Equatable, CustomStringConvertible {
    /// What was attempted, such as “bind tcp://…”.
    public let attempt: String
    /// Why it failed.
    public let reason: String

    public init(_ attempt: String, _ reason: String) {
        self.attempt = attempt
        self.reason = reason
    }

    /// The failure that ZeroMQ has just reported on this thread.
    static func zeroMQ(_ attempt: String) -> MessagingError {
        MessagingError(attempt, String(cString: zmq_strerror(zmq_errno())))
    }

    public var description: String { "cannot \(attempt): \(reason)" }
}
