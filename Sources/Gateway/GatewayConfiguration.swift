import Messaging
import Pipeline
import Statistics
import Timing
import Wiring

/// The sections of the configuration that the gateway uses.
public struct GatewayConfiguration: StageSettings {
    public var mode = Mode.live
    public var endpoints = Endpoints()
    public var messaging = Limits()
    public var lockstep = LockstepSettings()
    public var fuse = FuseSettings()
    public var model = ModelSenses()
    /// The gateway's own section.
    public var gateway = GatewaySettings()

    public init() {}

    public var extracted: [String] { ModelSenses.extracted(model.names, hasEncoder: !fuse.sentence.isEmpty) }
    public var problems: [SettingsError] { sharedProblems + gateway.problems.inSection("gateway") }
}
