import Evaluation
import Testing

struct DomainScoresTests {
    @Test func theMatrixHoldsWhatWasMeasuredAndTheMeasuresFollow() {
        var scores = DomainScores()
        scores.end("a", accuracy: [0.9], before: 0.1, initial: 0.1)
        scores.end("b", accuracy: [0.6, 0.8], before: 0.3, initial: 0.2)
        scores.end("c", accuracy: [0.5, 0.7, 0.9], before: 0.2, initial: 0.1)
        let matrix = scores.matrix
        #expect(matrix.accuracy == [[0.9, 0.3, 0], [0.6, 0.8, 0.2], [0.5, 0.7, 0.9]])
        func close(_ value: Double?, _ wanted: Double) -> Bool { value.map { abs($0 - wanted) < 1e-12 } ?? false }
        #expect(close(matrix.averageAccuracy, 0.7) && close(matrix.backwardTransfer, -0.25) && close(matrix.forgetting, 0.25))
        #expect(close(matrix.forwardTransfer, 0.1) && close(matrix.anytimeAccuracy, (0.9 + 0.7 + 0.7) / 3))
    }
}
