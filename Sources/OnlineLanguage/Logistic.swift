import Glibc

/// Conversion between probabilities and the logistic domain: stretch(p) = ln(p / (1 − p)) and its inverse squash(x) = 1 / (1 + e⁻ˣ).
enum Logistic {
    /// Numbers in the logistic domain are clamped to ± this.
    static let limit: Float = 12

    @inline(__always)
    static func stretch(_ p: Float) -> Float { logf(p / (1 - p)) }

    @inline(__always)
    static func squash(_ x: Float) -> Float { 1 / (1 + expf(-clamp(x))) }

    @inline(__always)
    static func clamp(_ x: Float) -> Float { max(-limit, min(limit, x)) }
}

/// A table of stretch at 4,096 probabilities, because it is needed hundreds of times for each byte.
struct StretchTable {
    private let memory = Memory<Float>(4096)

    init() {
        for i in 0..<4096 { memory.base[i] = Logistic.stretch((Float(i) + 0.5) / 4096) }
    }

    /// - Parameter p: a probability, in 1/65,536.
    @inline(__always)
    subscript(p: UInt16) -> Float { memory.base[Int(p >> 4)] }

    /// - Parameter p: a probability, 0…1.
    @inline(__always)
    subscript(p: Float) -> Float { memory.base[Int(p * 4095.99)] }
}
