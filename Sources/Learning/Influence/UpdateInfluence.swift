import Model
import Statistics
import Tensors

/// Finds which moments moved a learner's parameters between two versions, and whether that made it better on anchors.
///
///     learner.observers = [influence]
///     influence.begin(learner)
///     …                                // steps; after each moment influence.note(outcome, of: moment, …)
///     let explanation = influence.finish(learner)
///
/// The products of gradients are directional derivatives: each row's loss a little forward and a little backward along P ∇J, so that no
/// gradient of a single row is ever stored. While a version is explained, a step costs two more forward passes, and the version three
/// passes over the anchors. Memory: a copy of the parameters, two of their gradients, and two graphs. It does not change what is learned.
/// It has one owner.
public final class UpdateInfluence: StepObserver {
    private let parameters: ParameterStore<Float>
    /// Evaluates rows and anchors, over a copy of the parameters that is moved.
    private let probe: MultimodalGraph<Float>
    /// The gradient of the loss on anchors.
    private let slope: MultimodalGraph<Float>
    /// P ∇J, and the step along it, as a share, by which losses are compared; 0: nothing is explained.
    private let direction: ParameterStore<Float>
    private var stride = 0.0
    private var anchors: AnchorSet
    private var labelled = 0
    /// Of moments, by serial number.
    private var names: [Int: String] = [:]
    private let remembered: Int
    /// The anchors when the version began, with their losses.
    private var start: [AnchorSet.Anchor] = []
    private var before: [AnchorLosses] = []
    private var gains: [Int: UpdateExplanation.Gain] = [:]
    /// The part of each gain that the optimiser has not yet used, and what it keeps of that from step to step.
    private var lags: [Int: Double] = [:]
    private var inertia = 0.0
    private var pending: [(row: StepRow, cost: Double)] = []
    private var steps = 0, rows = 0, uncounted = 0

    /// The losses of an anchor: of all modalities, and by modality, of those that are present alone.
    private struct AnchorLosses {
        var all: Double
        var alone: [String: Double]
    }

    /// The most moments that are counted in one version.
    private static let mostCounted = 1_024
    /// The least number of anchors.
    public static let least = 16
    /// Rows of a pass over anchors.
    private static let batch = 16
    /// The length of the compared step, as a share of the parameters' length: a loss in single precision changes by enough, and third
    /// derivatives by little.
    private static let reach = 1e-3

    /// - Parameters:
    ///   - learner: the learner, whose parameters are read.
    ///   - anchors: the most anchors.
    ///   - age: after how many labelled moments an anchor is removed.
    ///   - random: chooses which anchors are replaced.
    public init(_ learner: OnlineLearner, anchors: Int = 64, age: Int = 2_000, random: RandomSource) {
        parameters = learner.parameters
        let learned = Set(learner.graph.moments.gradients.layout.parameters.map(\.name))
        probe = .predicting(
            learner.model, parameters: learner.parameters.copy(), batch: max(Self.batch, learner.graph.rows),
            languageRows: learner.graph.moments.languageRows, team: learner.team)
        slope = MultimodalGraph(
            learner.model, parameters: learner.parameters, batch: Self.batch, languageRows: 0, learning: { learned.contains($0.name) },
            team: learner.team)
        direction = slope.gradients.copy()
        self.anchors = AnchorSet(capacity: anchors, age: age, random: random)
        remembered = learner.configuration.memory
    }

    /// The anchors of the version that began last.
    public var anchorInputs: [MomentInput] { start.map(\.input) }
    /// The gain of each moment of that version, by its serial number, in nats.
    public var momentGains: [Int: Double] { acted.mapValues(\.gain) }

    /// Whether a version is being explained.
    public var isOpen: Bool { stride > 0 }

    /// Begins a version: from now on steps are observed.
    public func begin(_ learner: OnlineLearner) {
        (gains, lags, pending) = ([:], [:], [])
        (steps, rows, uncounted, stride) = (0, 0, 0, 0)
        anchors.expire(at: labelled)
        start = anchors.anchors
        guard start.count >= Self.least else { return }
        before = losses(of: start)
        inertia = (learner.optimizer.rule as? AdaptiveRule)?.beta1 ?? 0
        aim(by: learner.optimizer)
    }

    /// Notes a moment that was learned: it is an anchor if it was predicted rightly before.
    public func note(_ outcome: LearnOutcome, of moment: MomentInput, source: String, name: String, serial: Int) {
        names[serial] = name
        guard let loss = outcome.newLoss else { return }
        labelled += 1
        if outcome.isRight == true, outcome.stepped { anchors.admit(moment, from: source, loss: loss, at: labelled) }
    }

    /// Forgets all moments of a source, and the version that is being explained.
    public func forget(source: String) {
        anchors.forget(source: source)
        names.removeAll()
        stride = 0
    }

    /// Ends the version.
    /// - Returns: nil if it was not explained: there were too few anchors, no step, or numbers that are not finite.
    public func finish(_ learner: OnlineLearner) -> UpdateExplanation? {
        defer { stride = 0 }
        let kept = Set(learner.memorySlots.map(\.serial))
        if names.count > 2 * remembered + Self.mostCounted { names = names.filter { kept.contains($0.key) } }
        guard isOpen, steps > 0 else { return nil }
        let after = losses(of: start)
        guard (before + after).allSatisfy({ $0.all.isFinite }) else { return nil }
        var explanation = UpdateExplanation()
        (explanation.steps, explanation.rows, explanation.uncounted, explanation.anchors) = (steps, rows, uncounted, start.count)
        (explanation.before, explanation.after) = (before.map(\.all).mean, after.map(\.all).mean)
        let most = UpdateExplanation.most
        let acted = acted, all = Array(acted.values)
        let moments = acted.map { serial, gain in
            var named = gain
            named.name = names[serial] ?? "remembered moment \(serial)"
            return named
        }.sorted { ($0.gain, $0.name) < ($1.gain, $1.name) }
        explanation.harmed = Array(moments.prefix { $0.gain < 0 }.prefix(most))
        explanation.helped = Array(moments.reversed().prefix { $0.gain > 0 }.prefix(most))
        func ranked(_ gains: [UpdateExplanation.Gain]) -> [UpdateExplanation.Gain] {
            Array(gains.sorted { ($0.gain, $0.name) < ($1.gain, $1.name) }.prefix(most))
        }
        explanation.sessions = ranked(sums(all) { $0.session })
        explanation.classes = ranked(sums(all) { $0.label.map { "\($0)" } })
        explanation.byClass = changes(after) { anchor, _ in [anchor.input.label.map { "\($0)" } ?? ""] }
        explanation.bySession = changes(after) { anchor, _ in [anchor.source] }
        explanation.byModality = changes(after, of: { $0.alone[$1] ?? 0 }) { _, losses in losses.alone.keys.sorted() }
        return explanation
    }

    // MARK: Steps

    public func willStep(_ all: [StepRow]) {
        pending = []
        guard isOpen, all.count <= probe.batch else { return }
        let forward = rowLosses(all, moved: stride), backward = rowLosses(all, moved: -stride)
        let (labels, texts) = (slopes(forward.labels, backward.labels), slopes(forward.texts, backward.texts))
        let weight = probe.model.configuration.languageWeight
        pending = all.indices.map { (all[$0], labels.cost(without: $0) + weight * texts.cost(without: $0)) }
    }

    public func didStep(_ moved: Bool, rate: Double) {
        defer { pending = [] }
        guard moved, isOpen else { return }
        steps += 1
        for key in lags.keys { lags[key]? *= inertia }
        for (row, cost) in pending where cost.isFinite {
            rows += 1
            let gain = UpdateExplanation.Gain(
                name: row.source, session: row.source, label: row.moment.label, isNew: row.isNew, rows: 1, gain: rate * cost)
            guard var known = gains[row.serial] else {
                if gains.count < Self.mostCounted {
                    (gains[row.serial], lags[row.serial]) = (gain, inertia * gain.gain)
                } else {
                    uncounted += 1
                }
                continue
            }
            known.rows += 1
            known.gain += gain.gain
            if row.isNew { known.isNew = true }
            gains[row.serial] = known
            lags[row.serial, default: 0] += inertia * gain.gain
        }
    }

    /// The gains that have acted by now: of a gradient of k steps ago, an optimiser with momentum β has used 1 − βᵏ⁺¹.
    private var acted: [Int: UpdateExplanation.Gain] {
        Dictionary(
            uniqueKeysWithValues: gains.map { serial, gain in
                var acted = gain
                acted.gain -= lags[serial] ?? 0
                return (serial, acted)
            })
    }

    /// Sums by a name.
    private func sums(_ gains: [UpdateExplanation.Gain], by name: (UpdateExplanation.Gain) -> String?) -> [UpdateExplanation.Gain] {
        var sums: [String: UpdateExplanation.Gain] = [:]
        for gain in gains {
            guard let name = name(gain) else { continue }
            var sum = sums[name] ?? .init(name: name, rows: 0, gain: 0)
            sum.rows += gain.rows
            sum.gain += gain.gain
            sums[name] = sum
        }
        return Array(sums.values)
    }

    /// A part of the loss that is a mean over some rows, or over their tokens: by row, the sum of its losses and their number.
    private typealias Sums = [(sum: Double, count: Int)]

    /// The same of directional derivatives.
    private struct Slopes {
        var rows: Sums
        private(set) var all: (sum: Double, count: Int)

        init(_ rows: Sums) {
            self.rows = rows
            all = rows.reduce((0, 0)) { ($0.sum + $1.sum, $0.count + $1.count) }
        }

        /// By how much the derivative of the mean falls when a row is left out, and the mean is that of the others.
        func cost(without row: Int) -> Double {
            guard rows[row].count > 0 else { return 0 }
            let rest = all.count - rows[row].count
            return all.sum / Double(all.count) - (rest > 0 ? (all.sum - rows[row].sum) / Double(rest) : 0)
        }
    }

    private func slopes(_ forward: Sums, _ backward: Sums) -> Slopes {
        Slopes(zip(forward, backward).map { (($0.sum - $1.sum) / (2 * stride), $0.count) })
    }

    /// The losses of each row's label and of its tokens with parameters that are moved along the direction.
    private func rowLosses(_ rows: [StepRow], moved stride: Double) -> (labels: Sums, texts: Sums) {
        probe.parameters.assign(from: parameters)
        for parameter in direction.layout.parameters {
            let (w, d) = (probe.parameters[parameter.name], direction[parameter.name])
            for place in w.indices { w[place] += Float(stride) * d[place] }
        }
        for (index, row) in rows.enumerated() { probe.set(row.moment, row: index, hiding: row.hidden, shifts: row.shifts) }
        for index in rows.count..<probe.batch { probe.clear(row: index) }
        probe.forward()
        return (
            rows.indices.map { (probe.labelLoss(row: $0), rows[$0].moment.label == nil ? 0 : 1) },
            rows.indices.map { row in
                let losses = probe.languageLosses(row: row)
                return (losses.reduce(0, +), losses.count)
            }
        )
    }

    // MARK: Anchors

    /// Sets the direction to P ∇J at the current parameters, and the stride by which it is followed.
    private func aim(by optimizer: Optimizer) {
        var rest = start[...], isFirst = true
        while !rest.isEmpty {
            let part = rest.prefix(slope.batch)
            for (row, anchor) in part.enumerated() { slope.set(anchor.input, row: row) }
            for row in part.count..<slope.batch { slope.clear(row: row) }
            slope.forward()
            slope.backwardClassification(accumulating: !isFirst)
            isFirst = false
            rest = rest.dropFirst(part.count)
        }
        let passes = Float((start.count + slope.batch - 1) / slope.batch)
        let scale = WeightScale(optimizer)
        var squares = 0.0, weights = 0.0
        for parameter in direction.layout.parameters {
            let name = parameter.name
            let (d, g, w, second) = (direction[name], slope.gradients[name], parameters[name], scale.second?[name])
            for place in d.indices {
                d[place] = g[place] / passes * scale(second?[place])
                squares += Double(d[place]) * Double(d[place])
                weights += Double(w[place]) * Double(w[place])
            }
        }
        let stride = Self.reach * (weights / squares).squareRoot()
        self.stride = stride.isFinite ? stride : 0
    }

    private func losses(of anchors: [AnchorSet.Anchor]) -> [AnchorLosses] {
        probe.parameters.assign(from: parameters)
        let names = probe.model.configuration.modalities
        var losses: [AnchorLosses] = []
        var rest = anchors[...]
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

/// By how much an optimiser scales the gradient of each weight: 1, or 1 / (√v̂ + δ) of Adam's second moments. δ is a tenth of their mean
/// root instead of ε: weights that hardly ever have a gradient would otherwise outweigh all others.
private struct WeightScale {
    private(set) var second: ParameterStore<Float>?
    private var correction: Float = 1, floor: Float = 0

    init(_ optimizer: Optimizer) {
        guard let rule = optimizer.rule as? AdaptiveRule, optimizer.moments.count == 2, optimizer.steps > 0 else { return }
        let second = optimizer.moments[1]
        correction = Float(1 / (1 - Double.exp(Double(optimizer.steps) * Double.log(rule.beta2))))
        let roots = second.values.reduce(0.0) { $0 + Double(($1 * correction).squareRoot()) }
        floor = Float(max(rule.epsilon, 0.1 * roots / Double(max(1, second.values.count))))
        self.second = second
    }

    /// - Parameter second: the second moment of a weight; nil without one.
    func callAsFunction(_ second: Float?) -> Float {
        guard let second else { return 1 }
        return 1 / ((second * correction).squareRoot() + floor)
    }
}

extension [Double] {
    fileprivate var mean: Double { isEmpty ? 0 : reduce(0, +) / Double(count) }
}
