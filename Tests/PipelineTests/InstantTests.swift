import Pipeline
import Testing

struct InstantTests {
    @Test func timesStopAtTheirGreatestAndLeast() {
        let (least, greatest) = (Instant(nanoseconds: .min), Instant(nanoseconds: .max))
        #expect(greatest + .seconds(1) == greatest)
        #expect(least - .seconds(1) == least)
        #expect((greatest - least).nanoseconds == .max)
        #expect((least - greatest).nanoseconds == .min)
        #expect(Instant(seconds: 1e300) == greatest && Instant(seconds: -.infinity) == least && Instant(seconds: .nan).nanoseconds == 0)
        #expect(Instant(seconds: 1.5).nanoseconds == 1_500_000_000)
        #expect(Duration.seconds(Int64.max).nanoseconds == .max)
    }
}
