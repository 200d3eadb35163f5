/// Saturating arithmetic for untrusted numbers: a result outside the type's range becomes the nearest bound, and nothing traps.
extension FixedWidthInteger {
    /// a + b, clamped to the type's range.
    public func clampedAdding(_ other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    /// a − b, clamped to the type's range.
    public func clampedSubtracting(_ other: Self) -> Self {
        let (difference, overflow) = subtractingReportingOverflow(other)
        return overflow ? (other < 0 ? .max : .min) : difference
    }

    /// a · b, clamped to the type's range.
    public func clampedMultiplying(by other: Self) -> Self {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? ((self < 0) == (other < 0) ? .max : .min) : product
    }

    /// The integer part of a floating-point number, clamped to the type's range; zero for NaN.
    public init(clamping value: Double) {
        // Double(Self.max) rounds up to a power of two, the first value that does not fit; Double(Self.min) is exact.
        if value.isNaN {
            self = 0
        } else if value >= Double(Self.max) {
            self = .max
        } else if value <= Double(Self.min) {
            self = .min
        } else {
            self = Self(value)
        }
    }
}
