import Learning
import Model
import Pipeline
import Reinforcement
import Signals
import Statistics

/// An estimate of the memory that the processes of a graph use for their models and what they remember, made from the settings before
/// anything is allocated.
///
/// Programs, queued messages, and readings while they are decoded are not included: some tens of megabytes per process.
public struct GraphMemory: Codable, Sendable, Equatable {
    /// Bytes of each process.
    public var learn: Int, fuse: Int, evaluate: Int
    /// Bytes of the extractor with the largest frontend.
    public var extract: Int
    /// Bytes that the graph may use.
    public var limit: Int

    /// Bytes of all processes together.
    public var total: Int { learn.clampedAdding(fuse).clampedAdding(evaluate).clampedAdding(extract) }

    /// - Parameter settings: each valid by itself.
    public init(_ settings: GraphSettings) {
        let sketch = Sketch(settings)
        learn = Int(clamping: sketch.learn)
        fuse = Int(clamping: sketch.fuse)
        evaluate = Int(clamping: sketch.evaluate)
        extract = Int(clamping: sketch.extract)
        limit = settings.supervise.memoryLimit > 0 ? settings.supervise.memoryLimit : ProcessMemory.machine ?? .max
    }

    /// `learn 120 MB, fuse 30 MB, …`
    public var sentence: String {
        let parts = [("learn", learn), ("fuse", fuse), ("evaluate", evaluate), ("extract", extract)]
        return Self.megabytes(total) + ": " + parts.map { "\($0.0) \(Self.megabytes($0.1))" }.joined(separator: ", ")
    }

    /// The bytes in megabytes, rounded up.
    public static func megabytes(_ bytes: Int) -> String {
        bytes == .max ? "more than can be counted" : "\(bytes / 1_000_000 + (bytes % 1_000_000 > 0 ? 1 : 0)) MB"
    }
}

extension GraphSettings {
    /// The bytes of a published model: its parameters as float32 and the header of their file.
    public var updateBytes: Int {
        let parameters = model.parameterNumbers
        // The header has a line for each parameter; the trunk has 12 parameters per block.
        return Int(clamping: 4 * parameters + 200 * (Double(model.layers) * 12 + Double(model.modalities.count) * 64 + 256))
    }

    /// Why a published model is too large for a message; nil where it is not.
    var updateProblem: SettingsError? {
        guard updateBytes > messaging.updateBytes else { return nil }
        return SettingsError(
            "messaging.frameBytes",
            "\(messaging.frameBytes) lets updates of \(messaging.updateBytes) bytes through, and this model's have \(updateBytes)"
        )
    }

    /// Settings that need more memory than there is, by key.
    var memoryProblems: [SettingsError] {
        let memory = GraphMemory(self)
        if memory.total > memory.limit {
            let whose = supervise.memoryLimit > 0 ? "supervise.memoryLimit allows" : "this machine has"
            return [
                SettingsError(
                    "supervise.memoryLimit", "the graph takes about \(memory.sentence), and \(whose) \(GraphMemory.megabytes(memory.limit))"
                )
            ]
        }
        if let updateProblem { return [updateProblem] }
        return personalProblems
    }

    /// Settings of adapters that select no parameter, or too many; checked for a model that fits into memory.
    private var personalProblems: [SettingsError] {
        // an invalid model has been reported before
        guard personal.enabled, let layout = try? MultimodalModel(model).layout else { return [] }
        let own = layout.parameters.filter(personal.isPersonal), numbers = own.reduce(0) { $0 + $1.count }
        if own.isEmpty { return [SettingsError("personal.parameters", "no parameter of the model has such a name")] }
        if !own.contains(where: personal.isAdapted) { return [SettingsError("personal.adapted", "none of the parameters has such a name")] }
        guard numbers > personal.maximumNumbers else { return [] }
        return [
            SettingsError(
                "personal.parameters", "\(numbers) numbers a session are more than personal.maximumNumbers: \(personal.maximumNumbers)")
        ]
    }
}

/// The estimate in bytes, as floating-point numbers, which cannot overflow.
private struct Sketch {
    private let s: GraphSettings
    /// Bytes of a store of all parameters, of one remembered moment and of one row of logits; the number of updates kept for later moments.
    private let P: Double, moment: Double, logits: Double, updates: Double

    init(_ settings: GraphSettings) {
        s = settings
        P = 4 * settings.model.parameterNumbers
        moment = settings.model.momentBytes
        logits = 4 * Double(settings.model.classes)
        updates = Double(settings.updateCapacity) + 2
    }

    private func graph(_ batch: Int, language: Int = 0, learning: Bool = false) -> Double {
        4 * s.model.activationNumbers(batch: batch, languageRows: language, learning: learning)
    }

    /// A model that predicts the class of one moment with its own parameters.
    private var judge: Double { P + graph(1) }

    var learn: Double {
        let learner = s.learner
        let learned = learner.trunk == "frozen" ? P - 4 * s.model.trunkNumbers : P
        let strategy = (try? StrategyMix(named: learner.strategy, settings: learner.strategySettings))?.memory ?? StrategyMemory()
        let kept = (try? updateRule(learner.optimizer, settings: learner.optimizerSettings))?.moments.count ?? 2
        let replay = min(Double(learner.memoryBytes), Double(learner.memory) * (moment + logits))
        let rows = 1 + learner.replayed
        var bytes = P + learned * Double(1 + kept) + graph(rows, language: min(rows, learner.languageRows), learning: true) + replay
        if learner.averaging > 0 { bytes += P }
        bytes += learned * Double(strategy.learned) + P * Double(strategy.weights)
        bytes += graph(1) * Double(strategy.newReaders) + graph(rows) * Double(strategy.candidateReaders)
        // The initial parameters, those of the trigger rules, those published, and the state written to a checkpoint.
        bytes += P + P + graph(16) + 2 * P + learned * Double(kept) + replay
        if s.learn.triggers.contains(where: { $0.signal == "loss_over_frozen" }) { bytes += judge }
        if s.learn.triggers.contains(where: { $0.action == .rollBack }) { bytes += 2 * P }
        if s.learn.gate.enabled {
            bytes += 5 * judge + P + graph(16) + Double(s.learn.gate.anchors) * moment
            if learner.languageRows > 0 { bytes += P + graph(4, language: 4) + 8 * moment }
        }
        if s.learn.influenceEvery > 0 {
            bytes += 3 * P + graph(rows, language: min(rows, learner.languageRows), learning: true) + learned * Double(1 + 2 * kept)
            bytes += graph(16) + (64 + 128 * Double(rows)) * moment
        }
        bytes += Double(s.learn.labelPatience) * moment
        // The published model, two whole payloads for subscribers that ask, one that is made, and the deltas.
        if s.answersSubscribers { bytes += 4 * P + Double(s.learn.updates.keptBytes) }
        return bytes + personal + policy
    }

    private var personal: Double {
        let own = s.personal
        guard own.enabled else { return 0 }
        let task = Double(own.support + own.query) * moment
        let graphs = graph(own.support, learning: true) + graph(own.query, learning: true)
        let exact = own.method == "maml" ? 2 * (P + graph(own.support, learning: true)) : 0
        return 3 * P + graphs + exact + 8 * 4 * Double(own.maximumNumbers) + Double(own.maximumSessions) * (P + task) + Double(own.memory)
            * task
    }

    private var policy: Double {
        guard s.decide.isOn else { return 0 }
        guard s.decide.text, let text = try? TextPPO.Configuration(s.decide.settings) else { return s.policyBytes }
        return 2 * (P + graph(text.minibatch, language: text.minibatch, learning: true)) + Double(text.texts) * moment
    }

    var fuse: Double {
        var bytes = P + graph(1) + updates * P + Double(max(s.fuse.remembered, s.learn.labelPatience)) * (moment + logits)
        if !s.answer.after.isEmpty {
            let places = Double(s.model.prefixLength) + Double(s.model.text.length)
            let cache = 4 * 2 * Double(s.model.layers) * places * Double(s.model.width)
            bytes += 2 * P + graph(1, language: 1) + cache + Double(s.answer.maximumWaiting) * moment
        }
        if s.fuse.probes > 0 { bytes += P + graph(8) + Double(s.fuse.probes) * moment }
        // Mean and deviation of every column, and what is written to the file.
        bytes += Double(s.fuse.recalledLabels) * s.model.senses.reduce(0) { $0 + 16 * Double($1.columns) }
        return bytes + adapters + subscription + (s.decide.isOn ? s.policyBytes : 0)
    }

    /// The versions before, which serve and which may be gone back to, and a payload that is fetched.
    private var subscription: Double { s.answersSubscribers ? 3 * P : 0 }

    private var adapters: Double {
        s.personal.enabled ? Double(s.personal.maximumSessions) * updates * 4 * Double(s.personal.maximumNumbers) : 0
    }

    var evaluate: Double {
        let players = s.model.modalities.count + 3, own = s.evaluate
        var bytes =
            2 * P + graph(1 + s.model.modalities.count, language: 1 + s.model.modalities.count) + graph(1, language: 1) + updates * P
        bytes += 3 * P + graph(8) + Double(own.domainSample) * Double(own.maximumDomains) * moment
        bytes += Double(players) * Double(own.window) * (logits + 64) + Double(own.labelPatience) * (moment + Double(players) * logits)
        return bytes + adapters + subscription + (s.personal.enabled ? P + graph(1, language: 1) : 0)
    }

    /// Of the extractor that needs the most.
    var extract: Double { Signals.modalities.map { $0.value.workingBytes(in: s.signals) }.max() ?? 0 }
}
