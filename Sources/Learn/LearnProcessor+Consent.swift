import Messaging
import Model
import Schema

/// What may not move the shared model: moments and feedback of a class that is stricter than those it learns from.
///
/// The shared weights, replay, gate, rules, texts, corrections and checkpoints are the same whatever such moments hold. They are learned by
/// their session's adapters alone, where these stay on this machine, or not at all.
extension LearnProcessor {
    /// The class of a moment or of feedback.
    func consent(_ named: Consent) -> ConsentClass { ConsentClass(named) ?? privacy.consent }

    /// Whether the shared model may learn from a class.
    func learns(_ named: Consent) -> Bool { consent(named) >= privacy.learned }

    /// Takes a moment that the shared model does not learn from.
    mutating func withhold(_ moment: Moment, _ input: MomentInput) {
        noteWithheld(moment.id)
        guard consent(moment.consent) >= .sessionOnly, sessions?.staysHere == true else { return }
        withheld.remove(moment.id)
        _ = own.overdue(at: moment.ordinal)
        own.wait(moment, input, isDue: moment.kind == .labelRequest)
    }

    /// Counts what the shared model does not learn from; feedback that cites it has nothing to join.
    mutating func noteWithheld(_ id: String) {
        withheld[id] = true
        ownTelemetry.gauges["withheld", default: 0] += 1
    }

    /// Takes feedback that belongs to a withheld moment, or may itself not be learned by the shared model. A moment that waits for it goes
    /// on waiting, as if it had not come.
    /// - Returns: whether it was such feedback.
    mutating func withhold(_ feedback: Feedback) -> Bool {
        if withheld[feedback.citedMoment] != nil { return true }
        if case .joined(let found) = own.join(feedback) {
            learnAlone(found, feedback)
            return true
        }
        guard !learns(feedback.consent) else { return false }
        ownTelemetry.gauges["withheld", default: 0] += 1
        if let found = labels.find(feedback) { learnAlone(found, feedback) }
        return true
    }

    /// Learns a label by the adapters of its session alone.
    private mutating func learnAlone(_ found: LabelJoin.Waiting, _ feedback: Feedback) {
        let classes = guided.learner.model.configuration.classes
        guard min(consent(found.moment.consent), consent(feedback.consent)) >= .sessionOnly, sessions?.staysHere == true,
            feedback.hasLabel, feedback.isWithin(classes)
        else { return }
        var input = found.input
        input.label = Int(feedback.label)
        input.classes = feedback.classes > 0 ? min(Int(feedback.classes), classes) : nil
        let (watermark, serving) = (progress.watermark, guided.serving)
        sessions?.add(found.moment, input, watermark: watermark, shared: serving, alone: true)
    }

    /// Notes that the shared model learns from a class: its updates are local from then on, where that may not leave this machine.
    mutating func noteLearned(_ named: Consent) {
        if consent(named) < .share { progress.local = true }
    }
}

extension Feedback {
    /// The id of the moment that it cites.
    fileprivate var citedMoment: String { moment.isEmpty ? "\(session)/\(momentEnd)" : moment }
}
