import SwiftProtobuf

/// The version of the schema that these messages follow.
public let schemaVersion: UInt32 = 1

/// A message with a stamp: its sender, and its sequence number among the sender's messages.
public protocol Stamped: SwiftProtobuf.Message, Sendable {
    var stamp: Stamp { get set }
    var hasStamp: Bool { get }
}

extension Envelope: Stamped {}
extension SensorReading: Stamped {}
extension Cut: Stamped {}
extension Feedback: Stamped {}
extension Sample: Stamped {}
extension FeatureFrame: Stamped {}
extension MomentEvent: Stamped {}
extension Prediction: Stamped {}
extension Action: Stamped {}
extension ReliabilityChange: Stamped {}
extension ExplainRequest: Stamped {}
extension MomentExplanation: Stamped {}
extension Answer: Stamped {}
extension ModelUpdate: Stamped {}
extension MemoryUpdate: Stamped {}
extension PolicyUpdate: Stamped {}
extension Verdict: Stamped {}
extension TriggerLedgerPart: Stamped {}
extension Order: Stamped {}
extension OrderAnswer: Stamped {}
extension DomainSummary: Stamped {}
extension SessionUpdate: Stamped {}
extension EvaluationSummary: Stamped {}
extension EvaluationProgress: Stamped {}
extension Status: Stamped {}
extension UpdateRequest: Stamped {}
extension UpdateAnswer: Stamped {}
extension UpdateRelease: Stamped {}
extension Greeting: Stamped {}
extension Acknowledgement: Stamped {}
extension Coverage: Stamped {}
