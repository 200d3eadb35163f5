/// What a formula may be written in: one number, a number with its tangent, or several numbers side by side.
///
/// Operators say their formulas once, over `Field`, and run them over lanes where the processor has them.
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

/// Several scalars that one instruction works on; a scalar alone is one lane.
public protocol Lanes: Field {
    associatedtype Element: Scalar
    static var width: Int { get }
    init(repeating element: Element)
    init(load pointer: UnsafePointer<Element>)
    /// The first `count` lanes from memory, the others filled.
    init(load pointer: UnsafePointer<Element>, count: Int, filling: Element)
    func store(to pointer: UnsafeMutablePointer<Element>)
    func store(to pointer: UnsafeMutablePointer<Element>, count: Int)
    /// All lanes added, in a fixed order.
    var total: Element { get }
    var largest: Element { get }
}

/// The element of tensors: `Float` for training, `Double` for reference, `Dual` for exact derivatives.
public protocol Scalar: Lanes, Equatable where Element == Self {
    associatedtype Vector: Lanes where Vector.Element == Self

    static var zero: Self { get }
    /// The value without its tangents, for comparisons and reports.
    var primal: Double { get }

    /// C = α·op(A)·op(B) + β·C on one thread; with β = 0 what C held before does not matter.
    /// All row-major; op(A) (m, k), op(B) (k, n), C (m, n); each row starts a stride after the one before.
    static func multiply(
        _ a: Matrix<Self>, _ b: Matrix<Self>, into c: UnsafeMutablePointer<Self>, stride: Int, m: Int, n: Int, k: Int,
        alpha: Self, beta: Self)
}

/// A matrix as it lies in memory, read as it is or transposed.
public struct Matrix<S: Scalar> {
    public let pointer: UnsafePointer<S>
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
