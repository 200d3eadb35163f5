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

    /// Computed as three products of separate value and tangent matrices: (a + a′ε)(b + b′ε) = ab + (a′b + ab′)ε.
    @specialized(where Base == Double)
    @specialized(where Base == Float)
    public static func multiply(
        _ a: Matrix<Dual>, _ b: Matrix<Dual>, into c: UnsafeMutablePointer<Dual>, stride: Int, m: Int, n: Int, k: Int,
        alpha: Dual, beta: Dual
    ) {
        let (aRows, aColumns) = a.isTransposed ? (k, m) : (m, k)
        let (bRows, bColumns) = b.isTransposed ? (n, k) : (k, n)
        let keepsOld = beta != .zero
        withUnsafeTemporaryAllocation(of: Base.self, capacity: 2 * (m * k + k * n + m * n)) { memory in
            guard let aValues = memory.baseAddress else { return }
            let aTangents = aValues + m * k, bValues = aTangents + m * k, bTangents = bValues + k * n
            let cValues = bTangents + k * n, cTangents = cValues + m * n
            a.split(rows: aRows, columns: aColumns, into: aValues, aTangents)
            b.split(rows: bRows, columns: bColumns, into: bValues, bTangents)

            func product(_ x: UnsafeMutablePointer<Base>, _ y: UnsafeMutablePointer<Base>, into z: UnsafeMutablePointer<Base>, adding: Bool)
            {
                Base.multiply(
                    Matrix(x, stride: aColumns, transposed: a.isTransposed), Matrix(y, stride: bColumns, transposed: b.isTransposed),
                    into: z, stride: n, m: m, n: n, k: k, alpha: Base(1), beta: Base(adding ? 1 : 0))
            }
            product(aValues, bValues, into: cValues, adding: false)
            product(aTangents, bValues, into: cTangents, adding: false)
            product(aValues, bTangents, into: cTangents, adding: true)

            for i in 0..<m {
                for j in 0..<n {
                    let sum = alpha * Dual(cValues[i * n + j], tangent: cTangents[i * n + j])
                    c[i * stride + j] = keepsOld ? sum + beta * c[i * stride + j] : sum
                }
            }
        }
    }
}

extension Matrix {
    @inline(__always)
    fileprivate func split<Base>(
        rows: Int, columns: Int, into values: UnsafeMutablePointer<Base>, _ tangents: UnsafeMutablePointer<Base>
    ) where S == Dual<Base> {
        for row in 0..<rows {
            let from = pointer + row * stride
            for column in 0..<columns {
                (values + row * columns + column).initialize(to: from[column].value)
                (tangents + row * columns + column).initialize(to: from[column].tangent)
            }
        }
    }
}
