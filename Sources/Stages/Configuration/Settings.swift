import Foundation
import Learning
import MetaLearning
import Messaging
import Model
import Pipeline
import Schema
import Signals
import Statistics

/// Every setting of the process graph. One file holds them, all stages read it, and each takes what is its own.
public struct Settings: Codable, Sendable, Equatable {
    /// `live`: the oldest makes room for what cannot be kept up with, and is counted. `lockstep`: everybody waits for the slowest, nothing is lost, and
    /// equal streams give equal models.
    public var mode = Mode.live
    /// Fixes every random choice: the model's start, the replay's draws.
    public var seed = 1
    public var endpoints = Endpoints()
    public var messaging = Limits()
    public var signals = SignalConfiguration()
    public var cut = MomentCutter.Configuration()
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

    public init() {}
}

extension Settings {
    /// The modalities that extractors tell; what is made in fuse is none of them.
    public var extracted: [String] { model.modalities.filter { fuse.sentence.isEmpty || $0 != MomentAssembly.sentence } }
}

/// Where each stage listens and speaks. `local:name` stands for an ipc socket in the runtime directory.
public struct Endpoints: Codable, Sendable, Equatable {
    /// Directory of the ipc sockets; empty: one of the user's own under `$XDG_RUNTIME_DIR` or `/tmp`.
    public var runtime = ""
    /// Ingest receives from publishers here: bound, publishers connect.
    public var sensors = ["tcp://127.0.0.1:7400", "local:sensors"]
    /// Each stage publishes here: bound, listeners connect.
    public var ingest = ["local:ingest"]
    /// `{modality}` stands for the modality's name.
    public var extract = ["local:extract-{modality}"]
    public var fuse = ["local:fuse", "tcp://127.0.0.1:7401"]
    public var learn = ["local:learn", "tcp://127.0.0.1:7402"]
    public var evaluate = ["local:evaluate", "tcp://127.0.0.1:7403"]
    /// The learner takes an operator's orders here: bound, operators connect.
    public var orders = ["local:orders"]
    /// A player tells how it is here.
    public var play = ["local:play"]

    public init() {}
}

/// How replays in lockstep hold together.
public struct LockstepSettings: Codable, Sendable, Equatable {
    /// Moments on their way through the graph at once.
    public var window = 32
    /// Without progress for this long, in seconds, the replay gives up.
    public var patience = 120.0

    public init() {}
}

extension Settings {
    /// Everything that makes no sense, by key.
    public var problems: [(key: String, text: String)] {
        var found: [(key: String, text: String)] = []
        func wants<Value: Comparable>(_ key: String, _ value: Value, in range: ClosedRange<Value>) {
            if !range.contains(value) { found.append((key, "\(value) is not within \(range.lowerBound)…\(range.upperBound)")) }
        }
        wants("seed", seed, in: 0...Int(Int32.max))
        wants("messaging.frameBytes", messaging.frameBytes, in: 1 << 16...1 << 34)
        wants("messaging.cutFactor", messaging.cutFactor, in: 1...64)
        wants("messaging.parts", messaging.parts, in: 8...256)
        wants("messaging.headerBytes", messaging.headerBytes, in: 1 << 14...1 << 30)
        wants("messaging.nameBytes", messaging.nameBytes, in: 160...1 << 12)
        wants("messaging.textBytes", messaging.textBytes, in: 1 << 10...1 << 26)
        wants("messaging.entries", messaging.entries, in: 64...1_000_000)
        wants("messaging.sendBytes", messaging.sendBytes, in: 1 << 20...1 << 36)
        wants("messaging.subscriptionBytes", messaging.subscriptionBytes, in: 1 << 10...1 << 24)
        wants("messaging.sourceShare", messaging.sourceShare, in: 0.01...1)
        if mode == .lockstep {
            // Smaller queues would have stages wait for each other in a circle.
            let least = lockstep.window.clampedMultiplying(by: 8)
            for (key, queue) in [
                ("sendQueue", messaging.sendQueue), ("receiveQueue", messaging.receiveQueue),
                ("waitingMessages", messaging.waitingMessages),
            ]
            where queue < least {
                found.append(("messaging.\(key)", "\(queue) is less than eight times lockstep.window, \(least), which lockstep wants"))
            }
        }
        wants("messaging.sendQueue", messaging.sendQueue, in: 16...1_000_000)
        wants("messaging.receiveQueue", messaging.receiveQueue, in: 16...1_000_000)
        wants("messaging.waitingMessages", messaging.waitingMessages, in: 16...1_000_000)
        wants("messaging.waitingBytes", messaging.waitingBytes, in: 1 << 20...1 << 36)
        wants("messaging.sources", messaging.sources, in: 1...1_000_000)
        wants("messaging.lingerMilliseconds", messaging.lingerMilliseconds, in: 0...60_000)
        wants("cut.timeLimit", cut.timeLimit, in: 0.01...86_400)
        wants("cut.maximumSessions", cut.maximumSessions, in: 1...100_000)
        wants("cut.maximumSources", cut.maximumSources, in: 1...100_000)
        wants("cut.maximumJump", cut.maximumJump, in: 0.01...1e9)
        wants("cut.doubtfulJump", cut.doubtfulJump, in: 0.01...1e9)
        wants("cut.clocks.span", cut.clocks.span, in: 0.001...3600)
        wants("cut.clocks.spans", cut.clocks.spans, in: 2...10_000)
        wants("cut.clocks.maximumClocks", cut.clocks.maximumClocks, in: 1...1000)
        wants("cut.clocks.step", cut.clocks.step, in: 0.001...86_400)
        wants("fuse.lateness", fuse.lateness, in: 0...3600)
        wants("fuse.maximumFrames", fuse.maximumFrames, in: 1...100_000)
        wants("fuse.maximumPending", fuse.maximumPending, in: 1...1_000_000)
        wants("fuse.maximumSessions", fuse.maximumSessions, in: 1...100_000)
        wants("fuse.maximumSources", fuse.maximumSources, in: 1...100_000)
        wants("fuse.sourceTimeout", fuse.sourceTimeout, in: 0...3600)
        if !fuse.sentence.isEmpty, !model.senses.contains(where: { $0.name == MomentAssembly.sentence && $0.rows == 1 }) {
            found.append(("fuse.sentence", "wants a sense among model.senses: {name: sentence, rows: 1, columns: …}"))
        }
        found += fuse.alignment.flatMap(\.problems).map { ("fuse.alignment", $0) }
        for (index, rule) in fuse.alignment.enumerated() {
            if !model.modalities.contains(rule.modality) { found.append(("fuse.alignment", "the model has no sense '\(rule.modality)'")) }
            if fuse.alignment[..<index].contains(where: { $0.modality == rule.modality }) {
                found.append(("fuse.alignment", "two rules are for '\(rule.modality)'"))
            }
        }
        wants("fuse.maximumLatency", fuse.maximumLatency, in: 0.001...86_400)
        wants("fuse.remembered", fuse.remembered, in: 0...1_000_000)
        found += fuse.reliability.problems.map { ("fuse.reliability.\($0.key)", $0.text) }
        wants("learn.publishEvery", learn.publishEvery, in: 1...1_000_000)
        wants("learn.publishInterval", learn.publishInterval, in: 0.01...86_400)
        wants("learn.checkpointInterval", learn.checkpointInterval, in: 0.1...86_400)
        wants("learn.labelPatience", learn.labelPatience, in: 0...100_000)
        wants("learn.checkpointEvery", learn.checkpointEvery, in: 1...1_000_000_000)
        wants("evaluate.publishEvery", evaluate.publishEvery, in: 1...1_000_000)
        wants("evaluate.holdOut", evaluate.holdOut, in: 0...1_000_000)
        wants("evaluate.domainSample", evaluate.domainSample, in: 1...100_000)
        wants("evaluate.maximumDomains", evaluate.maximumDomains, in: 1...1000)
        wants("evaluate.window", evaluate.window, in: 1...1_000_000)
        wants("evaluate.labelPatience", evaluate.labelPatience, in: 0...100_000)
        wants("lockstep.window", lockstep.window, in: 1...1024)
        wants("lockstep.patience", lockstep.patience, in: 1...86_400)
        wants("play.speed", play.speed, in: 0.001...1e6)
        wants("simulate.moments", simulate.moments, in: 0...1_000_000_000)
        wants("simulate.rate", simulate.rate, in: 0.01...1000)
        wants("supervise.restartDelay", supervise.restartDelay, in: 0.01...3600)
        wants(
            "supervise.maximumRestartDelay", supervise.maximumRestartDelay,
            in: (0.01...3600).contains(supervise.restartDelay) ? supervise.restartDelay...86_400 : 0.01...86_400)
        wants("supervise.maximumRestarts", supervise.maximumRestarts, in: 0...1_000_000)
        wants("supervise.healthyAfter", supervise.healthyAfter, in: 0...86_400)
        wants("supervise.stopGrace", supervise.stopGrace, in: 0.1...3600)
        wants("supervise.silence", supervise.silence, in: 2...3600)
        wants("supervise.startTimeout", supervise.startTimeout, in: 1...3600)
        if !evaluate.domainDetector.isEmpty {
            do {
                _ = try NamedDetector(evaluate.domainDetector)
            } catch {
                found.append(("evaluate.domainDetector", error.problem))
            }
        }
        wants("supervise.memoryLimit", supervise.memoryLimit, in: 0...1 << 50)
        found += answer.problems.map { ("answer.\($0.key)", $0.text) }
        found += simulate.world.problems.map { ("simulate.world.\($0.key)", $0.problem) }
        found += signals.problems.map { ("signals.\($0.key)", $0.problem) }
        found += problemsWithGPT2
        do {
            try model.validate()
        } catch {
            found.append(("model.\(error.key)", error.problem))
        }
        do {
            try learner.validate()
        } catch {
            found.append(("learner", error.description))
        }
        found += decideProblems
        found += learn.problems
        do {
            try personal.validate()
        } catch {
            found.append(("personal", error.description))
        }
        found += endpointProblems + agreementProblems
        // What the model takes is asked only of settings that make sense.
        return found.isEmpty ? memoryProblems : found
    }
}

extension Endpoints {
    /// Endpoints that no other graph on this host uses, and that no other host reaches.
    public static func isolated(process: Int32) -> Endpoints {
        var endpoints = Endpoints()
        endpoints.runtime = "/tmp/accrete-\(getuid())-\(process)"
        endpoints.sensors = ["local:sensors"]
        endpoints.fuse = ["local:fuse"]
        endpoints.learn = ["local:learn"]
        endpoints.evaluate = ["local:evaluate"]
        return endpoints
    }

    var lists: [(key: String, list: [String])] {
        [
            ("sensors", sensors), ("ingest", ingest), ("extract", extract), ("fuse", fuse), ("learn", learn), ("evaluate", evaluate),
            ("orders", orders), ("play", play),
        ]
    }

    /// What an endpoint in the runtime directory begins with.
    private static let local = "local:"

    /// Why an endpoint of a configuration cannot be used whatever the machine; nil where it can.
    static func malformation(of endpoint: String) -> String? {
        if endpoint.hasPrefix(local) {
            let name = endpoint.dropFirst(local.count).replacingOccurrences(of: "{modality}", with: "m")
            return TopicComponent.isValid(name) ? nil : "'\(endpoint.prefix(120))' wants a name of letters, digits, - and _ after local:"
        }
        do {
            _ = try Endpoint(endpoint.replacingOccurrences(of: "{modality}", with: "m"))
            return nil
        } catch {
            return "'\(endpoint.prefix(120))' is none of local:name, ipc:///path, tcp://host:port: \(error.reason)"
        }
    }

    /// The directory of the ipc sockets.
    public func runtimeDirectory(environment: [String: String]) -> String {
        if !runtime.isEmpty { return runtime }
        if let own = environment["XDG_RUNTIME_DIR"], !own.isEmpty { return own + "/accrete" }
        return "/tmp/accrete-\(getuid())"
    }

    /// The endpoints with `local:` and `{modality}` written out.
    public func resolved(_ list: [String], modality: String = "", environment: [String: String]) -> [String] {
        list.map { endpoint in
            let named = endpoint.replacingOccurrences(of: "{modality}", with: modality)
            guard named.hasPrefix(Self.local) else { return named }
            return "ipc://\(runtimeDirectory(environment: environment))/\(named.dropFirst(Self.local.count))"
        }
    }
}
