import Glibc

/// The logistic domain, in which opinions add up.
/// stretch(p) = ln(p / (1 − p)), squash(x) = 1 / (1 + e⁻ˣ), each the other's inverse.
enum Logistic {
    /// Beyond this an opinion counts as certain.
    static let limit: Float = 12

    @inline(__always)
    static func stretch(_ p: Float) -> Float { logf(p / (1 - p)) }

    @inline(__always)
    static func squash(_ x: Float) -> Float { 1 / (1 + expf(-clamp(x))) }

    @inline(__always)
    static func clamp(_ x: Float) -> Float { max(-limit, min(limit, x)) }
}

/// stretch at 4,096 probabilities, for the hundreds of look-ups that a byte needs.
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
