import Statistics
import Testing

@Suite struct SaturatingTests {
    @Test func sumsDifferencesAndProductsStopAtTheBounds() {
        #expect(UInt64.max.clampedAdding(1) == .max)
        #expect(UInt64(3).clampedSubtracting(4) == 0)
        #expect(Int64.max.clampedAdding(1) == .max)
        #expect(Int64.min.clampedAdding(-1) == .min)
        #expect(Int64.min.clampedSubtracting(1) == .min)
        #expect(Int64.max.clampedSubtracting(-1) == .max)
        #expect(Int64.min.clampedMultiplying(by: -1) == .max)
        #expect(Int64.min.clampedMultiplying(by: 2) == .min)
        #expect(Int64(7).clampedMultiplying(by: -6) == -42)
    }

    @Test(arguments: [
        (1e300, Int64.max), (-1e300, .min), (.infinity, .max), (-.infinity, .min), (.nan, 0), (9.3e18, .max), (-9.3e18, .min), (2.9, 2),
        (-2.9, -2),
    ])
    func everyFloatingPointNumberHasAWholePart(value: Double, expected: Int64) {
        #expect(Int64(clamping: value) == expected)
    }

    @Test func boundsOfATypeAreExact() {
        #expect(Int64(clamping: Double(Int64.max)) == .max)
        #expect(Int64(clamping: Double(Int64.max).nextDown) == 9_223_372_036_854_774_784)
        #expect(UInt8(clamping: 255.5) == 255)
        #expect(UInt8(clamping: -0.5) == 0)
        #expect(Int32(clamping: 2_147_483_647.0) == .max)
    }
}
