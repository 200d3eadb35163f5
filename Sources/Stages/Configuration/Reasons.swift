import Messaging

/// The stages' own reasons for not taking something in, as they stand in a status and in a report. `schemas/README.md` explains them.
extension Reason {
    static let afterTheEnd = Reason(rawValue: "afterTheEnd")
    static let badSession = Reason(rawValue: "badSession")
    static let badSource = Reason(rawValue: "badSource")
    static let emptyFeedback = Reason(rawValue: "emptyFeedback")
    static let labelOutOfRange = Reason(rawValue: "labelOutOfRange")
    static let labelNeverCame = Reason(rawValue: "labelNeverCame")
    static let labelTooLate = Reason(rawValue: "labelTooLate")
    static let badOrder = Reason(rawValue: "badOrder")
    static let orphanLabel = Reason(rawValue: "orphanLabel")
    static let checkpointFailed = Reason(rawValue: "checkpointFailed")
    static let checkpointDamaged = Reason(rawValue: "checkpointDamaged")
    static let noModel = Reason(rawValue: "noModel")
    static let learnedAlready = Reason(rawValue: "learnedAlready")
    static let orphanFeedback = Reason(rawValue: "orphanFeedback")
    static let rewardOutOfRange = Reason(rawValue: "rewardOutOfRange")
    static let staleDecision = Reason(rawValue: "staleDecision")
    static let noObservation = Reason(rawValue: "noObservation")
    static let wrongPolicy = Reason(rawValue: "wrongPolicy")
    static let shed = Reason(rawValue: "shed")
    static let unanswered = Reason(rawValue: "unanswered")
    static let wrongModel = Reason(rawValue: "wrongModel")
}
