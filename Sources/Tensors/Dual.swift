/// A number and its tangent, a + a′ε with ε² = 0: a function of dual numbers computes its exact directional derivative.
///
/// https://en.wikipedia.org/wiki/Automatic_differentiation#Automatic_differentiation_using_dual_numbers
public struct Dual<Base: Scalar>: Scalar {
    public typealias Vector = Dual

    public var value: Base
    public var tangent: Base

    @inline(__always) public init(_ value: Base, tangent: Base) {
        self.value = value
        self.tangent = tangent
    }

    @inline(__always) public init(_ constant: Double) { self.init(Base(constant), tangent: .zero) }
    public static var zero: Dual { Dual(.zero, tangent: .zero) }
    public var primal: Double { value.primal }

    @inline(__always) public static func + (a: Dual, b: Dual) -> Dual { Dual(a.value + b.value, tangent: a.tangent + b.tangent) }
    @inline(__always) public static func - (a: Dual, b: Dual) -> Dual { Dual(a.value - b.value, tangent: a.tangent - b.tangent) }

    @inline(__always) public static func * (a: Dual, b: Dual) -> Dual {
        Dual(a.value * b.value, tangent: a.tangent * b.value + a.value * b.tangent)
    }

    @inline(__always) public static func / (a: Dual, b: Dual) -> Dual {
        let quotient = a.value / b.value
        return Dual(quotient, tangent: (a.tangent - quotient * b.tangent) / b.value)
    }

    @inline(__always) public static func exp(_ x: Dual) -> Dual {
        let y = Base.exp(x.value)
        return Dual(y, tangent: y * x.tangent)
    }

    @inline(__always) public static func log(_ x: Dual) -> Dual { Dual(Base.log(x.value), tangent: x.tangent / x.value) }

    @inline(__always) public static func tanh(_ x: Dual) -> Dual {
        let y = Base.tanh(x.value)
        return Dual(y, tangent: (Base(1) - y * y) * x.tangent)
    }

    @inline(__always) public static func sqrt(_ x: Dual) -> Dual {
        let y = Base.sqrt(x.value)
        return Dual(y, tangent: x.tangent / (y + y))
    }

    @inline(__always) public static func select(_ x: Dual, above y: Dual, _ a: Dual, _ b: Dual) -> Dual {
        Dual(
            Base.select(x.value, above: y.value, a.value, b.value),
            tangent: Base.select(x.value, above: y.value, a.tangent, b.tangent))
    }

    @specialized(where Base == Double)
    @specialized(where Base == Float)
    public static func multiply(
        _ a: Matrix<Dual>, _ b: Matrix<Dual>, into c: UnsafeMutablePointer<Dual>, stride: Int, m: Int, n: Int, k: Int,
        alpha: Dual, beta: Dual
    ) {
        let (aRow, aColumn) = a.isTransposed ? (1, a.stride) : (a.stride, 1)
        let (bRow, bColumn) = b.isTransposed ? (1, b.stride) : (b.stride, 1)
        let keepsOld = beta != .zero
        for i in 0..<m {
            for j in 0..<n {
                var sum = Dual.zero
                for l in 0..<k {
                    sum = sum + a.pointer[i * aRow + l * aColumn] * b.pointer[l * bRow + j * bColumn]
                }
                c[i * stride + j] = keepsOld ? alpha * sum + beta * c[i * stride + j] : alpha * sum
            }
        }
    }
}
