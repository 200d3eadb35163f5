/// The arithmetic that formulas are written in: a number, a number with its tangent, or a SIMD vector of numbers.
///
/// Operators write their formulas once, over `Field`, and evaluate them on SIMD vectors where the processor has them.
public protocol Field: BitwiseCopyable, Sendable {
    init(_ constant: Double)
    static func + (a: Self, b: Self) -> Self
    static func - (a: Self, b: Self) -> Self
    static func * (a: Self, b: Self) -> Self
    static func / (a: Self, b: Self) -> Self
    static func exp(_ x: Self) -> Self
    static func log(_ x: Self) -> Self
    static func tanh(_ x: Self) -> Self
    static func sqrt(_ x: Self) -> Self
    /// `a` where x > y, `b` elsewhere.
    static func select(_ x: Self, above y: Self, _ a: Self, _ b: Self) -> Self
}

extension Field {
    @inline(__always) static func maximum(_ a: Self, _ b: Self) -> Self { select(a, above: b, a, b) }
    @inline(__always) static func minimum(_ a: Self, _ b: Self) -> Self { select(a, above: b, b, a) }
}

/// A SIMD vector of scalars; a single scalar is a vector of one lane.
public protocol Lanes: Field {
    associatedtype Element: Scalar
    static var width: Int { get }
    init(repeating element: Element)
    init(load pointer: UnsafePointer<Element>)
    /// The first `count` lanes from memory, the others filled.
    init(load pointer: UnsafePointer<Element>, count: Int, filling: Element)
    func store(to pointer: UnsafeMutablePointer<Element>)
    func store(to pointer: UnsafeMutablePointer<Element>, count: Int)
    /// The sum of all lanes, added in a fixed order.
    var total: Element { get }
    /// The maximum of all lanes.
    var largest: Element { get }
}

/// The element of tensors: `Float` for training, `Double` for reference, `Dual` for exact derivatives.
public protocol Scalar: Lanes, Equatable where Element == Self {
    associatedtype Vector: Lanes where Vector.Element == Self

    static var zero: Self { get }
    /// The value without its tangents, for comparisons and reports.
    var primal: Double { get }

    /// C = α·op(A)·op(B) + β·C on one thread; with β = 0 the old values of C are ignored.
    /// All row-major; op(A) (m, k), op(B) (k, n), C (m, n); each row starts a stride after the one before.
    static func multiply(
        _ a: Matrix<Self>, _ b: Matrix<Self>, into c: UnsafeMutablePointer<Self>, stride: Int, m: Int, n: Int, k: Int,
        alpha: Self, beta: Self)
}

/// A row-major matrix in memory, read as it is or transposed.
public struct Matrix<S: Scalar> {
    public let pointer: UnsafePointer<S>
    /// Numbers from the start of a row in memory to the start of the next.
    public let stride: Int
    public let isTransposed: Bool

    public init(_ pointer: UnsafePointer<S>, stride: Int, transposed: Bool = false) {
        self.pointer = pointer
        self.stride = stride
        isTransposed = transposed
    }
}

/// A scalar is one lane.
extension Scalar {
    @inline(__always) public static var width: Int { 1 }
    @inline(__always) public init(repeating element: Self) { self = element }
    @inline(__always) public init(load pointer: UnsafePointer<Self>) { self = pointer.pointee }
    @inline(__always) public init(load pointer: UnsafePointer<Self>, count: Int, filling: Self) {
        self = count > 0 ? pointer.pointee : filling
    }
    @inline(__always) public func store(to pointer: UnsafeMutablePointer<Self>) { pointer.pointee = self }
    @inline(__always) public func store(to pointer: UnsafeMutablePointer<Self>, count: Int) {
        if count > 0 { pointer.pointee = self }
    }
    @inline(__always) public var total: Self { self }
    @inline(__always) public var largest: Self { self }
}
