import Statistics
import Testing

struct SecondsTests {
    @Test(
        arguments: [
            (1.5, 1_500_000_000), (-0.25, -250_000_000), (2.9e-9, 2), (-2.9e-9, -2), (.infinity, .max), (-.infinity, .min), (1e300, .max),
            (.nan, 0),
        ] as [(Double, Int64)])
    func everyNumberOfSecondsHasItsNanoseconds(seconds: Double, nanoseconds: Int64) {
        #expect(Int64(nanosecondsIn: seconds) == nanoseconds)
        #expect(Duration.seconds(clamping: seconds) == .nanoseconds(nanoseconds))
    }

    @Test func nanosecondsCanBeRounded() {
        #expect(Int64(nanosecondsIn: 2.9e-9, rounded: .toNearestOrAwayFromZero) == 3)
        #expect(Int64(nanosecondsIn: -2.9e-9, rounded: .toNearestOrAwayFromZero) == -3)
    }

    @Test func nanosecondsHaveTheirSeconds() {
        #expect(Double(secondsIn: 1_500_000_000) == 1.5 && Double(secondsIn: .min) == -9_223_372_036.854776)
        #expect(Float(secondsIn: -250_000_000) == -0.25)
    }

    @Test func aDurationIsBoundedByItsNanoseconds() {
        #expect(Duration.milliseconds(-1500).nanoseconds == -1_500_000_000 && Duration.milliseconds(-1500).inSeconds == -1.5)
        #expect(Duration.seconds(Int64.max).nanoseconds == .max && Duration.seconds(Int64.min).nanoseconds == .min)
        #expect(Duration.nanoseconds(Int64.max).nanoseconds == .max && Duration.nanoseconds(Int64.min).nanoseconds == .min)
    }
}
