import Messaging
import Statistics

/// How a stage treats what it cannot keep up with.
public enum Mode: String, Choice {
    /// Fresh before complete: the oldest is dropped and counted.
    case live
    /// Complete before fresh: whoever sends waits, nothing is lost, and the same session gives the same results.
    case lockstep

    public var overflow: Overflow { self == .live ? .dropOldest : .backpressure }
    public var limits: Limits { self == .live ? Limits() : .lossless }
}

/// The settings of a stage; those that are not given suit the mode.
public struct StageOptions: Sendable {
    public var mode: Mode
    public var limits: Limits

    /// How often the processor ticks, and newcomers get the last message of topics that are kept.
    public var tickInterval = Duration.milliseconds(10)

    /// How often the stage says how it is.
    public var statusInterval = Duration.seconds(1)

    /// A reason of refusal is logged at most once in this time.
    public var burstPeriod = Duration.seconds(10)

    /// Prefixes of topics whose last message a newcomer gets at once.
    public var keepsLast: [String] = []

    /// Subscribers that must be there before anything is received, so that they miss nothing: how many, by topic.
    public var awaitedSubscribers: [String: Int] = [:]

    /// How long to wait for them. Then a live stage begins without, and one in lockstep gives up.
    public var patience = Duration.seconds(30)

    /// Where the stage notes the message that it is at, for a supervisor; nil: nowhere.
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
