import Evaluation
import Foundation
import Testing

@Suite struct AccuracyMatrixTests {
    private var three: AccuracyMatrix {
        var matrix = AccuracyMatrix(domains: ["a", "b", "c"], initial: [0.1, 0.1, 0.2])
        matrix.append([0.9, 0.2, 0.3])
        matrix.append([0.6, 0.8, 0.4])
        matrix.append([0.7, 0.5, 1.0])
        return matrix
    }

    private func isClose(_ x: Double?, _ y: Double) -> Bool { x.map { abs($0 - y) < 1e-12 } ?? false }

    @Test func summarisesThreeDomains() {
        #expect(isClose(three.averageAccuracy, (0.7 + 0.5 + 1.0) / 3))
        #expect(isClose(three.anytimeAccuracy, (0.9 + 0.7 + (0.7 + 0.5 + 1.0) / 3) / 3))
        #expect(isClose(three.backwardTransfer, ((0.7 - 0.9) + (0.5 - 0.8)) / 2))
        #expect(isClose(three.forwardTransfer, ((0.2 - 0.1) + (0.4 - 0.2)) / 2))
        #expect(isClose(three.forgetting, ((0.9 - 0.7) + (0.8 - 0.5)) / 2))
    }

    @Test func saysNothingBeforeThereIsAnythingToSay() {
        var matrix = AccuracyMatrix(domains: ["a", "b"])
        #expect(matrix.averageAccuracy == nil && matrix.anytimeAccuracy == nil && matrix.forgetting == nil)
        matrix.append([0.5, 0.25])
        #expect(matrix.averageAccuracy == 0.5 && matrix.anytimeAccuracy == 0.5)
        #expect(matrix.backwardTransfer == nil && matrix.forgetting == nil && matrix.forwardTransfer == nil)
    }

    @Test func isWrittenAndReadAsJSON() throws {
        #expect(try JSONDecoder().decode(AccuracyMatrix.self, from: JSONEncoder().encode(three)) == three)
    }
}
