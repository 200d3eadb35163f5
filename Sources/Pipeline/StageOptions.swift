import Messaging
import Statistics

/// How a stage treats input that it cannot keep up with.
public enum Mode: String, Choice {
    /// Recent before complete: the oldest messages are dropped and counted.
    case live
    /// Complete before recent: senders wait, nothing is lost, and the same session gives the same results.
    case lockstep

    /// What its queues do when they are full.
    public var overflow: Overflow { self == .live ? .dropOldest : .backpressure }
    /// The default bounds of queues in this mode.
    public var limits: Limits { self == .live ? Limits() : .lossless }
}

/// The options of a stage; their defaults follow from the mode.
public struct StageOptions: Sendable {
    /// Live or lockstep.
    public var mode: Mode
    /// The bounds of messages, queues and waits.
    public var limits: Limits

    /// The keys with which the stage takes part in a graph; nil: nothing is encrypted.
    public var security: Security?

    /// How often the processor ticks, and new subscribers get the last message of topics that are kept.
    public var tickInterval = Duration.milliseconds(10)

    /// How often the stage publishes its status.
    public var statusInterval = Duration.seconds(1)

    /// Each reason of refusal is logged at most once in this time.
    public var burstPeriod = Duration.seconds(10)

    /// Prefixes of topics whose last message a new subscriber gets at once.
    public var keepsLast: [String] = []

    /// The number of subscribers, by topic, that must be connected before anything is received, so that they miss nothing.
    public var awaitedSubscribers: [String: Int] = [:]

    /// How long to wait for `awaitedSubscribers`. Then a live stage starts without them, and one in lockstep fails.
    public var patience = Duration.seconds(30)

    /// Where the stage records the message it is processing, for a supervisor; nil: nowhere.
    public var newestMessage: NewestMessage?

    public init(mode: Mode = .live) {
        self.mode = mode
        limits = mode.limits
    }

    var publisherOptions: PublisherOptions {
        var options = PublisherOptions()
        options.limits = limits
        options.overflow = mode.overflow
        options.keepsLast = keepsLast
        return options
    }
}
