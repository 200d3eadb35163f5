import Statistics
import Tensors

extension UpdateGate {
    /// The state of a gate without its large arrays. A restored gate continues exactly.
    public struct State: Codable, Sendable {
        var anchors: AnchorSet.Packed
        var pairs: [Pair]
        var probationCount, labelled, contradicted, passed: Int
        var probationServing, probationGood: Double
        var tallies: [String: GateTally]
        var decisions: [String: Int]
        var surprise: Surprise
        var doubt: UpdateGate.Doubt?
        /// Nil in the state of a gate that had none.
        var texts: TextAnchors.Packed?
    }

    /// The state, and its large arrays by name.
    public var state: (progress: State, tensors: [String: [Float]]) {
        var numbers: [Float] = [], textNumbers: [Float] = []
        let progress = State(
            anchors: anchors.packed(to: &numbers), pairs: pairs, probationCount: probation.count, labelled: labelled,
            contradicted: contradicted, passed: passed,
            probationServing: probation.serving, probationGood: probation.good, tallies: tallies,
            decisions: Dictionary(uniqueKeysWithValues: decisions.map { ($0.key.rawValue, $0.value) }),
            surprise: surprise, doubt: doubt, texts: texts.packed(to: &textNumbers))
        return (
            progress,
            [
                "anchors": numbers, "texts": textNumbers, "serving": Array(serving.values), "good": Array(good.values),
                "scheduled": Array(scorers.scheduled.parameters.values),
            ]
        )
    }

    /// Restores a saved state.
    /// - Returns: false, with the gate unchanged, if the state is incomplete, of another shape or implausible.
    public func restore(_ state: State, _ tensors: [String: [Float]]) -> Bool {
        var restored = anchors
        let stores = [("serving", serving), ("good", good), ("scheduled", scorers.scheduled.parameters)]
        guard [state.probationCount, state.labelled, state.contradicted, state.passed].allSatisfy({ (0...(1 << 53)).contains($0) }) else {
            return false
        }
        guard restored.unpack(state.anchors, from: tensors["anchors"] ?? []), stores.allSatisfy({ tensors[$0]?.count == $1.values.count })
        else { return false }
        var restoredTexts = texts
        if let packed = state.texts { guard restoredTexts.unpack(packed, from: tensors["texts"] ?? []) else { return false } }
        guard (restored.inputs + restoredTexts.inputs).allSatisfy(scorers.scheduled.accepts) else { return false }
        for (name, store) in stores { _ = store.values.update(from: tensors[name] ?? []) }
        texts = restoredTexts
        (anchors, pairs, labelled, tallies) = (restored, state.pairs, state.labelled, state.tallies)
        (contradicted, passed, surprise, doubt) = (state.contradicted, state.passed, state.surprise, state.doubt)
        probation = (state.probationCount, state.probationServing, state.probationGood)
        decisions = Dictionary(
            uniqueKeysWithValues: state.decisions.compactMap { name, count in GateVerdict.Decision(rawValue: name).map { ($0, count) } })
        return true
    }
}
