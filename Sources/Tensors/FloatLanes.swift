import CVector

/// Sixteen floats side by side: one AVX-512 register, two of AVX, four of SSE.
extension SIMD16: Field where Scalar == Float {
    @inline(__always) public init(_ constant: Double) { self.init(repeating: Float(constant)) }

    /// eˣ to about 1.2e-7 relative: x = n·ln 2 + r, a polynomial for e^r (Cephes, https://netlib.org/cephes), n added to the exponent.
    @inline(__always) public static func exp(_ x: Self) -> Self {
        var x = x.replacing(with: 88.02, where: x .> 88.02)
        x.replace(with: -87.33, where: x .< -87.33)
        // Adding 1.5·2²³ rounds to an integer and leaves it in the low bits.
        let magic = Self(repeating: 12_582_912)
        let shifted = x * 1.442_695_04 + magic
        let n = shifted - magic
        let r = x - n * 0.693_359_375 + n * 2.121_944_4e-4
        var p = r * 1.987_569_15e-4 + 1.398_199_95e-3
        p = p * r + 8.333_451_9e-3
        p = p * r + 4.166_579_6e-2
        p = p * r + 1.666_666_55e-1
        p = p * r + 5e-1
        p = p * (r * r) + r + 1
        let bits = unsafeBitCast(p, to: SIMD16<Int32>.self) &+ (unsafeBitCast(shifted, to: SIMD16<Int32>.self) &<< 23)
        return unsafeBitCast(bits, to: Self.self)
    }

    public static func log(_ x: Self) -> Self {
        var y = x
        for i in 0..<16 { y[i] = Float.log(x[i]) }
        return y
    }

    /// tanh x = 1 − 2 / (1 + e²ˣ)
    @inline(__always) public static func tanh(_ x: Self) -> Self { 1 - 2 / (1 + exp(x + x)) }

    @inline(__always) public static func sqrt(_ x: Self) -> Self { CVectorSquareRoot(x) }

    @inline(__always) public static func select(_ x: Self, above y: Self, _ a: Self, _ b: Self) -> Self {
        b.replacing(with: a, where: x .> y)
    }
}

extension SIMD16: Lanes where Scalar == Float {
    public typealias Element = Float

    @inline(__always) public static var width: Int { 16 }

    @inline(__always) public init(load pointer: UnsafePointer<Float>) {
        self = UnsafeRawPointer(pointer).loadUnaligned(as: Self.self)
    }

    @inline(__always) public init(load pointer: UnsafePointer<Float>, count: Int, filling: Float) {
        self = CVectorLoadFirst(pointer, count, filling)
    }

    @inline(__always) public func store(to pointer: UnsafeMutablePointer<Float>) {
        UnsafeMutableRawPointer(pointer).storeBytes(of: self, as: Self.self)
    }

    @inline(__always) public func store(to pointer: UnsafeMutablePointer<Float>, count: Int) {
        CVectorStoreFirst(self, pointer, count)
    }

    @inline(__always) public var total: Float {
        let eight = lowHalf + highHalf
        let four = eight.lowHalf + eight.highHalf
        let two = four.lowHalf + four.highHalf
        return two.x + two.y
    }

    @inline(__always) public var largest: Float {
        let eight = lowHalf.replacing(with: highHalf, where: highHalf .> lowHalf)
        let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
        let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
        return two.x > two.y ? two.x : two.y
    }
}
