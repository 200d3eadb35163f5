import CZeroMQ

/// What went wrong between this process and the bus: what was attempted, why it failed, and what to do about it.
public struct MessagingError: Error, Equatable, CustomStringConvertible {
    public let attempt: String
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
