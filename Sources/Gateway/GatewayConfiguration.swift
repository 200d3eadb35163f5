import Messaging
import Pipeline
import Schema
import Statistics
import Timing
import Wiring

/// The sections of the configuration that the gateway uses.
public struct GatewayConfiguration: StageSettings {
    public var mode = Mode.live
    public var endpoints = Endpoints()
    public var messaging = Limits()
    public var security = SecuritySettings()
    public var lockstep = LockstepSettings()
    public var fuse = FuseSettings()
    public var model = ModelSenses()
    /// Of other stages' sections, what a request has to know.
    public var answer = AnswerSection()
    public var decide = DecideSection()
    public var signals = SignalsSection()
    /// The gateway's own section.
    public var gateway = GatewaySettings()

    public init() {}

    /// Which moments are answered in words.
    public struct AnswerSection: Codable, Sendable {
        public var after: [String] = []
        public var maximumWaiting = 8

        public init() {}

        /// How a moment ends so that it is answered; nil where none is. One that asks for its label would wait for it.
        var end: CutKind? {
            let ends: KeyValuePairs<String, CutKind> = ["utterance": .utteranceEnd, "explicit": .explicit, "label": .labelRequest]
            return ends.first { after.contains($0.key) }?.value
        }
    }

    /// Whether answers are decisions.
    public struct DecideSection: Codable, Sendable {
        public var text = false

        public init() {}
    }

    /// The longest text.
    public struct SignalsSection: Codable, Sendable {
        public var text = Text()

        public struct Text: Codable, Sendable {
            public var maximumBytes = 4096
        }

        public init() {}
    }

    public var extracted: [String] { ModelSenses.extracted(model.names, hasEncoder: !fuse.sentence.isEmpty) }
    public var problems: [SettingsError] { sharedProblems + gateway.problems.inSection("gateway") }
}
