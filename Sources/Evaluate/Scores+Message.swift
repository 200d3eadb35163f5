import Evaluation
import Schema

extension Evaluation.Scores {
    /// The scores as a message.
    func message(named name: String) -> Schema.Scores {
        .with {
            $0.name = name
            $0.labelled = UInt64(labelled)
            $0.accuracy = accuracy
            $0.tokenNll = tokenNLL
            $0.bitsPerByte = bitsPerByte
            $0.classNll = classNLL
            $0.calibration = calibration
            $0.tokens = UInt64(tokens)
        }
    }
}
