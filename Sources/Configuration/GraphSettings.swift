import Foundation
import Learning
import Messaging
import MetaLearning
import Model
import Pipeline
import Privacy
import Schema
import Signals
import Statistics
import Timing
import Wiring

/// Every setting of the process graph. One file holds them; each stage reads it and uses its own sections.
public struct GraphSettings: Codable, Sendable, Equatable {
    /// `live`: a stage that cannot keep up drops the oldest input and counts it. `lockstep`: all stages wait for the slowest, nothing is
    /// lost, and equal streams give equal models.
    public var mode = Mode.live
    /// The seed of every random choice: the initial parameters, the replay's draws.
    public var seed = 1
    public var endpoints = Endpoints()
    public var messaging = Limits()
    public var security = SecuritySettings()
    public var signals = SignalConfiguration()
    public var cut = MomentCutter.Configuration()
    public var coordinates = CoordinateSettings()
    public var fuse = FuseSettings()
    public var answer = AnswerSettings()
    public var model = MultimodalConfiguration()
    public var learn = LearnSettings()
    public var learner = OnlineLearner.Configuration()
    public var decide = DecideSettings()
    public var personal = PersonalConfiguration()
    public var evaluate = EvaluateSettings()
    public var lockstep = LockstepSettings()
    public var play = PlaySettings()
    public var simulate = SimulateSettings()
    public var supervise = SuperviseSettings()
    public var gateway = GatewaySettings()
    public var journal = JournalSettings()
    public var privacy = PrivacySettings()

    public init() {}
}

extension GraphSettings: StageSettings {
    public var extracted: [String] { ModelSenses.extracted(model.senses.map(\.name), hasEncoder: !fuse.sentence.isEmpty) }
    public var sessionsAdapt: Bool { personal.enabled }
    public var answersSubscribers: Bool { learn.updates.coding != .whole || learn.updates.canaryShare > 0 }
    public static var whole: String? { nil }

    public mutating func complete(unless isGiven: (_ key: String) -> Bool) {
        // Errors are among the problems.
        try? followTrunk(unless: isGiven)
    }

    /// Other keys that may be the cause of a problem of `key`.
    public static func related(to key: String) -> [String] {
        switch key {
        case "model.senses": Signals.modalities.map { "signals.\($0.key)" } + ["fuse.sentence"]
        case "supervise.memoryLimit", "messaging.frameBytes":
            ["model", "learner", "learn", "personal", "decide", "evaluate", "fuse", "signals"]
        case _ where key.hasPrefix("endpoints."): ["endpoints", "model.senses"]
        case _ where key.hasPrefix("personal."): ["model"]
        case "learn.influenceEvery": ["learner.strategy", "learner.strategySettings"]
        case "fuse.maximumPending": ["lockstep.window", "mode"]
        case "learner.trunk", "decide.observation", "learn.triggers", "fuse.alignment": ["model"]
        default: []
        }
    }

    /// Every invalid setting, by key.
    public var problems: [SettingsError] {
        var own = RangeProblems()
        own.require("seed", seed, in: 0...Int(Int32.max))
        var found = own.found + sharedProblems
        found += cut.problems.inSection("cut") + fuse.problems.inSection("fuse") + learn.problems.inSection("learn")
        found += evaluate.problems.inSection("evaluate") + answer.problems.inSection("answer") + play.problems.inSection("play")
        found += simulate.problems.inSection("simulate") + supervise.problems.inSection("supervise")
        found += signals.problems.inSection("signals") + gateway.problems.inSection("gateway")
        found += journal.problems.inSection("journal")
        found += privacy.problems.inSection("privacy")
        found += problemsWithTrunk
        do {
            try model.validate()
        } catch {
            found.append(SettingsError("model.\(error.key)", error.problem))
        }
        do {
            try learner.validate()
        } catch {
            found.append(error.inSection("learner", of: learner))
        }
        found += decideProblems
        do {
            try personal.validate()
        } catch {
            found.append(error.inSection("personal", of: personal))
        }
        found += agreementProblems
        // The memory is estimated only for valid settings.
        return found.isEmpty ? memoryProblems : found
    }
}

extension GraphSettings {
    /// Fuse's settings for the aligner. In lockstep no boundary may be refused that a moment waits for: the replay stays within its window,
    /// and the end of the stream ends the moments of all sessions at once.
    package func alignment(inLockstep: Bool) -> FuseSettings {
        var alignment = fuse
        if inLockstep { alignment.maximumPending = max(fuse.maximumPending, lockstep.window + cut.maximumSessions + 1) }
        return alignment
    }

    /// By modality, the name of the alignment policy where no rule gives one.
    package var alignmentPolicies: [String: String] {
        Dictionary(uniqueKeysWithValues: Signals.modalities.map { ($0.key, $0.value.alignment) })
    }

    /// The number of updates that a stage keeps for later moments.
    package var updateCapacity: Int { mode == .live ? 4 : lockstep.window / learn.publishEvery + 4 }
}

extension SettingsError {
    /// The error of a section whose own keys are in snake case, by the key that the configuration file has.
    fileprivate func inSection(_ section: String, of settings: some Settings) -> SettingsError {
        let words = key.split(separator: "_"), name = words.prefix(1).joined() + words.dropFirst().map(\.capitalized).joined()
        // A strategy or an optimiser may have been the one that refused a setting.
        guard Mirror(reflecting: settings).children.contains(where: { $0.label == name }) else {
            return SettingsError(section, description)
        }
        return SettingsError("\(section).\(name)", problem)
    }
}
