import Foundation
import Statistics
import Testing

@Suite struct StatisticsTests {
    @Test func momentsMergeAsIfSeenInOneStream() {
        var random = RandomSource(seed: 1)
        let numbers = (0..<500).map { _ in 1e6 + random.normal() }
        var whole = RunningMoments(), left = RunningMoments(), right = RunningMoments()
        for (index, x) in numbers.enumerated() {
            whole.add(x)
            if index < 123 { left.add(x) } else { right.add(x) }
        }
        left.merge(right)
        #expect(left.count == 500)
        #expect(abs(left.mean - whole.mean) < 1e-9)
        #expect(abs(left.variance - whole.variance) < 1e-9)
    }

    @Test func varianceOfFourNumbers() {
        var moments = RunningMoments()
        for x in [2.0, 4, 4, 6] { moments.add(x) }
        #expect(moments.mean == 4 && abs(moments.variance - 8.0 / 3) < 1e-12)
    }

    @Test func aWindowForgetsItsOldest() {
        var window = WindowedMean(capacity: 3)
        #expect(window.mean == nil)
        for x in [10.0, 1, 2, 3] { window.add(x) }
        #expect(window.mean == 2 && window.count == 3)
    }

    @Test func quantilesAreExactWhileTheyFit() {
        var sketch = QuantileSketch(exactCapacity: 100)
        #expect(sketch.quantile(0.5) == nil)
        for x in (1...100).reversed() { sketch.add(Double(x)) }
        #expect(sketch.quantile(0) == 1 && sketch.quantile(0.5) == 50 && sketch.quantile(0.99) == 99 && sketch.quantile(1) == 100)
    }

    @Test func quantilesStayWithinTheirErrorBeyondThat() {
        var random = RandomSource(seed: 2)
        var sketch = QuantileSketch(exactCapacity: 64)
        let numbers = (0..<20_000).map { _ in exp(3 * random.normal() - 5) }
        for x in numbers { sketch.add(x) }
        let sorted = numbers.sorted()
        for q in [0.01, 0.5, 0.9, 0.99, 0.999] {
            let expected = sorted[Int((q * 20_000).rounded(.up)) - 1]
            #expect(abs(sketch.quantile(q)! / expected - 1) <= 1.0001 * QuantileSketch.relativeError)
        }
        #expect(sketch.quantile(1) == sorted.last)
    }

    @Test(arguments: [(10, 20), (10, 500), (500, 10), (500, 500)])
    func sketchesMergeToTheWhole(_ left: Int, _ right: Int) {
        var whole = QuantileSketch(exactCapacity: 64), one = whole, two = whole
        for i in 0..<(left + right) {
            let x = Double((i * 7919) % 1000) + 1
            whole.add(x)
            if i < left { one.add(x) } else { two.add(x) }
        }
        one.merge(two)
        #expect(one == whole || left + right <= 64)
        for q in [0.0, 0.25, 0.5, 0.99, 1] { #expect(one.quantile(q) == whole.quantile(q)) }
    }

    @Test func aSketchTakesAnyNumber() {
        var sketch = QuantileSketch(exactCapacity: 0)
        for x in [-1, 0, 1e-300, 1e300, .infinity, .nan] as [Double] { sketch.add(x) }
        #expect(sketch.count == 4 && sketch.quantile(0) == 0, "what is not finite is passed over")
    }

    @Test func confidentMistakesAreMiscalibrated() {
        var honest = Calibration(), boastful = Calibration()
        for i in 0..<10 {
            honest.add(probabilities: [0.8, 0.2], label: i < 8 ? 0 : 1)
            boastful.add(probabilities: [1, 0], label: i < 5 ? 0 : 1)
        }
        #expect(abs(honest.expectedCalibrationError!) < 1e-6)
        #expect(abs(honest.brierScore! - (8 * 0.08 + 2 * 1.28) / 10) < 1e-6)
        #expect(boastful.expectedCalibrationError == 0.5 && boastful.brierScore == 1)
    }

    @Test func aConfusionMatrixGrowsWithItsClasses() {
        var matrix = ConfusionMatrix(limit: 4)
        matrix.add(truth: 0, answer: 0)
        matrix.add(truth: 2, answer: 1)
        matrix.add(truth: 2, answer: 2)
        matrix.add(truth: 9, answer: 9)
        #expect(matrix.counts == [[1, 0, 0], [0, 0, 0], [0, 1, 1]])
        #expect(matrix.accuracy == 0.75 && matrix.recall(of: 2) == 0.5 && matrix.recall(of: 1) == nil)
    }
}
