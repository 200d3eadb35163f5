import Glibc

/// The probability that the next bit is one, in steps of 1/65,536 and never certain:
/// the number the code length is computed from and an arithmetic coder uses, the same to the last digit.
public struct BitProbability: Sendable, Equatable {
    /// 1…65,535.
    public let ones: UInt32

    /// - Parameter p: 0…1; rounded, and kept off both ends.
    @inline(__always)
    public init(_ p: Float) {
        ones = UInt32(max(1, min(65535, p * 65536 + 0.5)))
    }

    /// The bits that an ideal code spends on `bit`: −log₂ of its probability.
    public func codeLength(of bit: Int) -> Double {
        -log2(Double(bit == 1 ? ones : 65536 - ones) / 65536)
    }
}
