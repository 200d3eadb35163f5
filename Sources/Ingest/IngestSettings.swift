import Messaging
import Pipeline
import Privacy
import Statistics
import Timing
import Wiring

/// The sections of the configuration that ingest uses.
public struct IngestSettings: StageSettings {
    public var mode = Mode.live
    public var endpoints = Endpoints()
    public var messaging = Limits()
    public var security = SecuritySettings()
    public var lockstep = LockstepSettings()
    public var cut = MomentCutter.Configuration()
    public var coordinates = CoordinateSettings()
    public var fuse = FuseSettings()
    /// One section per modality: readings of these modalities are accepted.
    public var signals = SectionNames()
    public var model = ModelSenses()
    public var journal = JournalSettings()
    public var privacy = PrivacySettings()

    public init() {}

    public var extracted: [String] { ModelSenses.extracted(model.names, hasEncoder: !fuse.sentence.isEmpty) }
    public var problems: [SettingsError] {
        sharedProblems + cut.problems.inSection("cut") + fuse.problems.inSection("fuse") + journal.problems.inSection("journal")
            + privacy.problems.inSection("privacy")
    }
}
