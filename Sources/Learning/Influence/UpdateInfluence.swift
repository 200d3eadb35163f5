import Model
import Statistics
import Tensors

/// Finds which sessions and moments moved a learner's parameters between two versions, and whether that made it better on anchors.
///
///     learner.observers = [influence]
///     influence.begin(learner)
///     …                                // steps; after each moment influence.note(outcome, of: moment, …)
///     let explanation = influence.finish(learner)
///
/// The version's steps are made again from the state in which it began, with the same replayed moments and augmentation, without the
/// rows of one moment, or of all that came from a session: the gain is the difference of the losses on anchors. Where all rows together
/// do not give the learner's parameters to the bit, as after a change of method, the version is not explained. First-order estimates by
/// products of gradients cost less and are wrong where Adam's steps are large: on the simulated session their rank correlation with
/// this was −0.24.
///
/// Sessions are ordered by surprise, the mean loss of their labels before they were learned: wrong labels contradict what the model knows,
/// also where there are too few of them to make it worse in one version.
///
/// Each of these costs the version's steps once more, all of them together `budget` and three passes over the anchors: with little time
/// fewer are made, so explanations of equal runs may differ. What is learned does not depend on them, unless moments become too old
/// meanwhile (`learn.maximumLatency`). Memory: three copies of the parameters, the optimiser's state twice, and two graphs. It has one
/// owner.
public final class UpdateInfluence: StepObserver {
    /// The longest time for steps that are made again, for one version.
    public var budget = Duration.seconds(1)

    private let probe: MultimodalGraph<Float>
    private var replay: StepReplay?
    private var anchors: AnchorSet
    private var labelled = 0
    /// Of moments, by serial number: the name, and the loss of its label before it was learned, if it has one.
    private var noted: [Int: (name: String, surprise: Double?)] = [:]
    private let remembered: Int
    /// The anchors when the version began, with their losses.
    private var start: [AnchorSet.Anchor] = []
    private var before: [AnchorLosses] = []

    /// The losses of an anchor: of all modalities, and by modality, of those that are present alone.
    private struct AnchorLosses {
        var all: Double
        var alone: [String: Double]
    }

    /// The most moments that are left out, one after the other; and the most steps of a version that is explained.
    private static let mostMoments = 48, mostSteps = 128
    /// The most moments whose names are kept beside those that are remembered.
    private static let mostNoted = 1_024
    /// The least number of anchors.
    public static let least = 16
    /// Rows of a pass over anchors.
    private static let batch = 16

    /// - Parameters:
    ///   - learner: the learner.
    ///   - anchors: the most anchors.
    ///   - age: after how many labelled moments an anchor is removed.
    ///   - random: chooses which anchors are replaced.
    public init(_ learner: OnlineLearner, anchors: Int = 64, age: Int = 2_000, random: RandomSource) {
        probe = .predicting(
            learner.model, parameters: learner.parameters.copy(), batch: Self.batch, languageRows: 0, team: learner.team)
        self.anchors = AnchorSet(capacity: anchors, age: age, random: random)
        remembered = learner.configuration.memory
    }

    /// The anchors of the version that began last.
    public var anchorInputs: [MomentInput] { start.map(\.input) }

    /// The gain of each moment that was left out of the version that ended last, by its serial number, in nats.
    public private(set) var momentGains: [Int: Double] = [:]

    /// Whether a version is being explained.
    public var isOpen: Bool { replay != nil }

    /// Begins a version: from now on steps are observed.
    public func begin(_ learner: OnlineLearner) {
        (replay, momentGains) = (nil, [:])
        anchors.expire(at: labelled)
        start = anchors.anchors
        guard start.count >= Self.least else { return }
        before = losses(with: learner.parameters)
        replay = try? StepReplay(learner)  // with a strategy that has terms of its own in the loss versions are not explained
    }

    /// Notes a moment that was learned: it is an anchor if it was predicted rightly before.
    public func note(_ outcome: LearnOutcome, of moment: MomentInput, source: String, name: String, serial: Int) {
        noted[serial] = (name, outcome.newLoss)
        guard let loss = outcome.newLoss else { return }
        labelled += 1
        if outcome.isRight == true, outcome.stepped { anchors.admit(moment, from: source, loss: loss, at: labelled) }
    }

    /// Forgets all moments of a source, and the version that is being explained.
    public func forget(source: String) {
        anchors.forget(source: source)
        noted.removeAll()
        replay = nil
    }

    public func willStep(_ rows: [StepRow]) { replay?.willStep(rows) }

    public func didStep(_ moved: Bool) {
        replay?.didStep(moved)
        if let replay, replay.steps.count > Self.mostSteps { self.replay = nil }
    }

    /// Ends the version.
    /// - Returns: nil if it was not explained: there were too few anchors, no step or too many, too little time, steps that cannot be made
    ///   again, or losses that are not finite.
    public func finish(_ learner: OnlineLearner) -> UpdateExplanation? {
        defer {
            replay = nil
            if noted.count > 2 * remembered + Self.mostNoted {
                let kept = Set(learner.memorySlots.map(\.serial))
                noted = noted.filter { kept.contains($0.key) }
            }
        }
        guard let replay, !replay.steps.isEmpty else { return nil }
        let began = ContinuousClock.now, after = losses(with: learner.parameters), whole = after.map(\.all).mean
        guard (before + after).allSatisfy({ $0.all.isFinite }) else { return nil }
        let isOver = { ContinuousClock.now - began >= self.budget }
        guard replay.run(without: { _ in false }, until: isOver),
            zip(replay.parameters.values, learner.parameters.values).allSatisfy({ $0 == $1 })
        else { return nil }

        /// Nil where there is no time left, or the loss without it is not finite.
        func gain(without isLeftOut: (StepRow) -> Bool) -> Double? {
            guard replay.run(without: isLeftOut, until: isOver) else { return nil }
            let loss = losses(with: replay.parameters).map(\.all).mean
            return loss.isFinite ? loss - whole : nil
        }

        let rows = replay.steps.flatMap(\.self), most = UpdateExplanation.most
        var explanation = UpdateExplanation()
        (explanation.steps, explanation.rows, explanation.anchors) = (replay.steps.count, rows.count, start.count)
        (explanation.before, explanation.after) = (before.map(\.all).mean, whole)
        // What came from a session since the version before; what is replayed of it from before is old knowledge.
        let new = Set(rows.lazy.filter(\.isNew).map(\.serial)), newRows = rows.filter { new.contains($0.serial) }
        let sessions = Dictionary(grouping: newRows, by: \.source).map { name, own in
            let surprises = Set(own.lazy.map(\.serial)).sorted().compactMap { noted[$0]?.surprise }
            return UpdateExplanation.Gain(name: name, rows: own.count, gain: nil, surprise: surprises.isEmpty ? nil : surprises.mean)
        }.sorted { ($1.surprise ?? 0, $0.name) < ($0.surprise ?? 0, $1.name) }
        explanation.sessions = sessions.prefix(most).map { session in
            var session = session
            session.gain = gain { $0.source == session.name && new.contains($0.serial) }
            return session
        }
        // New moments before replayed ones, the newest first.
        let moments = Dictionary(grouping: rows, by: \.serial).sorted {
            (new.contains($0.key) ? 1 : 0, $0.key) > (new.contains($1.key) ? 1 : 0, $1.key)
        }
        let gains = moments.prefix(Self.mostMoments).compactMap { serial, own -> UpdateExplanation.Gain? in
            guard let gain = gain(without: { $0.serial == serial }) else { return nil }
            momentGains[serial] = gain
            return .init(
                name: noted[serial]?.name ?? "remembered moment \(serial)", session: own[0].source, label: own[0].moment.label,
                isNew: new.contains(serial), rows: own.count, gain: gain,
                surprise: noted[serial]?.surprise)
        }.sorted { ($0.gain ?? 0, $0.name) < ($1.gain ?? 0, $1.name) }
        explanation.uncounted = moments.count - gains.count
        explanation.harmed = Array(gains.prefix { $0.gain ?? 0 < 0 }.prefix(most))
        explanation.helped = Array(gains.reversed().prefix { $0.gain ?? 0 > 0 }.prefix(most))
        explanation.byClass = changes(after) { anchor, _ in [anchor.input.label.map { "\($0)" } ?? ""] }
        explanation.bySession = changes(after) { anchor, _ in [anchor.source] }
        explanation.byModality = changes(after, of: { $0.alone[$1] ?? 0 }) { _, losses in losses.alone.keys.sorted() }
        return explanation
    }

    // MARK: Anchors

    private func losses(with parameters: ParameterStore<Float>) -> [AnchorLosses] {
        probe.parameters.assign(from: parameters)
        let names = probe.model.configuration.modalities
        var losses: [AnchorLosses] = []
        var rest = start[...]
        while !rest.isEmpty {
            let part = rest.prefix(probe.batch)
            for (row, anchor) in part.enumerated() { probe.set(anchor.input, row: row, scoresText: false) }
            for row in part.count..<probe.batch { probe.clear(row: row) }
            probe.forward()
            for (row, anchor) in part.enumerated() {
                let alone = zip(names, probe.expertLosses(row: row)).filter { anchor.input.has($0.0) }
                losses.append(
                    AnchorLosses(all: probe.classificationLoss(row: row), alone: Dictionary(uniqueKeysWithValues: alone.map { $0 })))
            }
            rest = rest.dropFirst(part.count)
        }
        return losses
    }

    /// The changes of groups of anchors, what got worse first.
    private func changes(
        _ after: [AnchorLosses], of loss: (AnchorLosses, String) -> Double = { losses, _ in losses.all },
        by groups: (AnchorSet.Anchor, AnchorLosses) -> [String]
    ) -> [UpdateExplanation.Change] {
        var changes: [String: UpdateExplanation.Change] = [:]
        for (anchor, (before, after)) in zip(start, zip(before, after)) {
            for name in groups(anchor, before) {
                var change = changes[name] ?? .init(name: name, anchors: 0, before: 0, after: 0)
                change.anchors += 1
                change.before += loss(before, name)
                change.after += loss(after, name)
                changes[name] = change
            }
        }
        let means = changes.values.map { change in
            let count = Double(change.anchors)
            return UpdateExplanation.Change(
                name: change.name, anchors: change.anchors, before: change.before / count, after: change.after / count)
        }
        return Array(means.sorted { ($0.before - $0.after, $0.name) < ($1.before - $1.after, $1.name) }.prefix(UpdateExplanation.most))
    }
}

extension [Double] {
    fileprivate var mean: Double { isEmpty ? 0 : reduce(0, +) / Double(count) }
}
