/// Numbers that were found finite, each of them, so that nobody has to look again.
public struct FiniteValues: Sendable, Equatable {
    public let numbers: [Float]

    /// Nil where a number is not finite.
    public init?(_ numbers: [Float]) {
        guard numbers.areFinite else { return nil }
        self.numbers = numbers
    }
}

extension [Float] {
    /// Whether every number is finite; one pass without branches.
    public var areFinite: Bool {
        withUnsafeBufferPointer { values in
            var found: UInt32 = 0
            for value in values {
                // The exponent's bits are all set in infinities and NaN alone; adding one to the exponent then carries into the sign.
                found |= (value.bitPattern & 0x7FFF_FFFF) &+ 0x0080_0000
            }
            return found & 0x8000_0000 == 0
        }
    }
}
