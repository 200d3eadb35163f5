/// All topics; `schemas/README.md` describes them. A new one needs a line here, a message in `schemas/` and a row in that file.
public enum Topics {
    public static let sensor = TopicFamily<SensorReading>("sensor", "modality", "source")
    public static let cut = TopicFamily<Cut>("cut", "session")
    public static let feedback = TopicFamily<Feedback>("feedback", "session")
    public static let sample = TopicFamily<Sample>("sample", "modality")
    public static let feature = TopicFamily<FeatureFrame>("feature", "modality")
    public static let moment = TopicFamily<MomentEvent>("moment", "session")
    public static let prediction = TopicFamily<Prediction>("prediction", "session")
    public static let action = TopicFamily<Action>("action", "session")
    public static let reliability = TopicFamily<ReliabilityChange>("reliability", "session")
    public static let explain = TopicFamily<ExplainRequest>("explain", "session")
    public static let explanation = TopicFamily<MomentExplanation>("explanation", "session")
    public static let answer = TopicFamily<Answer>("answer", "session")
    public static let modelUpdate = TopicFamily<ModelUpdate>("model.update")
    public static let modelDelta = TopicFamily<ModelUpdate>("model.delta")
    public static let modelRelease = TopicFamily<UpdateRelease>("model.release")
    public static let updateRequest = TopicFamily<UpdateRequest>("update.request", "subscriber")
    public static let updateAnswer = TopicFamily<UpdateAnswer>("update.answer", "subscriber")
    public static let memoryUpdate = TopicFamily<MemoryUpdate>("memory.update")
    public static let policyUpdate = TopicFamily<PolicyUpdate>("policy.update")
    public static let sessionUpdate = TopicFamily<SessionUpdate>("model.update", "session")
    public static let modelVerdict = TopicFamily<Verdict>("model.verdict")
    public static let triggerLedger = TopicFamily<TriggerLedgerPart>("trigger.ledger")
    public static let order = TopicFamily<Order>("order", "stage")
    public static let orderAnswer = TopicFamily<OrderAnswer>("order.answer", "stage")
    public static let evaluationSummary = TopicFamily<EvaluationSummary>("evaluation.summary")
    public static let evaluationProgress = TopicFamily<EvaluationProgress>("evaluation.progress")
    public static let evaluationDomains = TopicFamily<DomainSummary>("evaluation.domains")
    public static let greeting = TopicFamily<Greeting>("greeting", "source")
    public static let acknowledgement = TopicFamily<Acknowledgement>("acknowledgement", "source")
    public static let coverage = TopicFamily<Coverage>("coverage")
    public static let status = TopicFamily<Status>("status", "stage")

    /// All families.
    public static let all: [any AnyTopicFamily] = [
        sensor, cut, feedback, sample, feature, moment, prediction, action, reliability, explain, explanation, answer,
        modelUpdate, memoryUpdate, policyUpdate, sessionUpdate, modelVerdict, triggerLedger, order, orderAnswer,
        evaluationSummary, evaluationProgress, evaluationDomains, status, greeting, acknowledgement, coverage,
        modelDelta, modelRelease, updateRequest, updateAnswer,
    ]

    /// The family that a topic's name belongs to; nil if there is none.
    public static func family(of name: String) -> (any AnyTopicFamily)? {
        all.first { $0.components(of: name) != nil }
    }
}

/// A topic's name, with the type of its messages.
public struct Topic<Message: Stamped>: Sendable, Hashable, CustomStringConvertible {
    /// The full name, ending in `/`.
    public let name: String
    public var description: String { name }
}
