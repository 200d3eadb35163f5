import Messaging

/// The stages' own reasons for dropping input, as in a status and in a report. `schemas/README.md` explains them.
extension Reason {
    package static let afterTheEnd = Reason(rawValue: "afterTheEnd")
    package static let badSession = Reason(rawValue: "badSession")
    package static let badSource = Reason(rawValue: "badSource")
    package static let emptyFeedback = Reason(rawValue: "emptyFeedback")
    package static let labelOutOfRange = Reason(rawValue: "labelOutOfRange")
    package static let labelNeverCame = Reason(rawValue: "labelNeverCame")
    package static let labelTooLate = Reason(rawValue: "labelTooLate")
    package static let badOrder = Reason(rawValue: "badOrder")
    package static let orphanLabel = Reason(rawValue: "orphanLabel")
    package static let checkpointFailed = Reason(rawValue: "checkpointFailed")
    package static let checkpointDamaged = Reason(rawValue: "checkpointDamaged")
    package static let noModel = Reason(rawValue: "noModel")
    package static let learnedAlready = Reason(rawValue: "learnedAlready")
    package static let orphanFeedback = Reason(rawValue: "orphanFeedback")
    package static let rewardOutOfRange = Reason(rawValue: "rewardOutOfRange")
    package static let staleDecision = Reason(rawValue: "staleDecision")
    package static let noObservation = Reason(rawValue: "noObservation")
    package static let wrongPolicy = Reason(rawValue: "wrongPolicy")
    package static let shed = Reason(rawValue: "shed")
    package static let unanswered = Reason(rawValue: "unanswered")
    package static let wrongModel = Reason(rawValue: "wrongModel")
}
