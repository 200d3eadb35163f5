import Glibc

/// The probability that the next bit is one, a multiple of 1/65,536 that is neither 0 nor 1.
/// The code length and the arithmetic coder use exactly the same number.
public struct BitProbability: Sendable, Equatable {
    /// The probability in 1/65,536: 1…65,535.
    public let ones: UInt32

    /// - Parameter p: 0…1; rounded, and clamped to the allowed range.
    @inline(__always)
    public init(_ p: Float) {
        ones = UInt32(max(1, min(65535, p * 65536 + 0.5)))
    }

    /// The ideal code length of `bit` in bits: −log₂ of its probability.
    public func codeLength(of bit: Int) -> Double {
        -log2(Double(bit == 1 ? ones : 65536 - ones) / 65536)
    }
}
