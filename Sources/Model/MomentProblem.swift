/// Why a model cannot process a moment.
public struct MomentProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of problem, with a stable name for counters.
    public enum Reason: String, Sendable, CaseIterable {
        case tokenOutOfVocabulary, labelOutOfRange, nonFinite
    }

    public let reason: Reason
    public let description: String
}

extension MultimodalConfiguration {
    /// Checks that a model of this configuration can process a moment. Senses that the configuration does not name are ignored.
    /// - Throws: `MomentProblem`, the first problem found.
    public func check(_ moment: MomentInput) throws(MomentProblem) {
        if let token = moment.text.first(where: { $0 < 0 || $0 >= text.vocabulary }) {
            throw MomentProblem(reason: .tokenOutOfVocabulary, description: "token \(token) in a vocabulary of \(text.vocabulary)")
        }
        if let token = moment.answer?.first(where: { $0 < 0 || $0 >= text.vocabulary }) {
            throw MomentProblem(
                reason: .tokenOutOfVocabulary, description: "token \(token) of the answer in a vocabulary of \(text.vocabulary)")
        }
        if let label = moment.label, label < 0 || label >= classes {
            throw MomentProblem(reason: .labelOutOfRange, description: "label \(label), the model has \(classes) classes")
        }
        for sense in senses {
            guard let reading = moment.senses[sense.name] else { continue }
            guard reading.areFinite, reading.age.isFinite, reading.validity.isFinite else {
                throw MomentProblem(reason: .nonFinite, description: "a number of \(sense.name) is not finite")
            }
        }
    }
}
