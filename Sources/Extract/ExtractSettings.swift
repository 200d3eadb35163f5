import Messaging
import Pipeline
import Signals
import Statistics
import Timing
import Wiring

/// The sections of the configuration that an extractor uses.
public struct ExtractSettings: StageSettings {
    public var mode = Mode.live
    public var endpoints = Endpoints()
    public var messaging = Limits()
    public var security = SecuritySettings()
    public var lockstep = LockstepSettings()
    public var signals = SignalConfiguration()
    public var fuse = FuseSettings()
    public var model = ModelSenses()

    public init() {}

    public var extracted: [String] { ModelSenses.extracted(model.names, hasEncoder: !fuse.sentence.isEmpty) }
    public var problems: [SettingsError] {
        sharedProblems + fuse.problems.inSection("fuse") + signals.problems.inSection("signals")
            + (mode == .lockstep && signals.audio.transcribes ? [SignalConfiguration.wordsAreLive] : [])
    }
}
