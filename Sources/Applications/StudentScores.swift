import Statistics

/// Something that predicts whether an answer is right, and then learns it.
public protocol AnswerPredictor {
    /// The probability that an answer is right; its outcome is not looked at.
    mutating func predict(_ answer: StudentAnswer) -> Float
    /// Learns whether the answer predicted last is right.
    mutating func learn(_ isCorrect: Bool)
}

extension StudentModel: AnswerPredictor {}
extension RatingBaseline: AnswerPredictor {}
extension LogisticBaseline: AnswerPredictor {}

extension AnswerPredictor {
    /// Predicts every answer of the sessions, then learns it.
    /// - Returns: the predictions' scores.
    public mutating func read(_ sessions: [[StudentAnswer]]) -> BinaryScores {
        var scores = BinaryScores()
        for answer in sessions.joined() {
            scores.add(probability: predict(answer), happened: answer.isCorrect)
            learn(answer.isCorrect)
        }
        return scores
    }
}
