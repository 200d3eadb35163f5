import COpenBLAS
import CVector
import Glibc

extension Float: Scalar {
    public typealias Vector = SIMD16<Float>

    public var primal: Double { Double(self) }
    public static func exp(_ x: Float) -> Float { Glibc.expf(x) }
    public static func log(_ x: Float) -> Float { Glibc.logf(x) }
    public static func tanh(_ x: Float) -> Float { Glibc.tanhf(x) }
    public static func sqrt(_ x: Float) -> Float { x.squareRoot() }
    @inline(__always) public static func select(_ x: Float, above y: Float, _ a: Float, _ b: Float) -> Float { x > y ? a : b }

    public static func multiply(
        _ a: Matrix<Float>, _ b: Matrix<Float>, into c: UnsafeMutablePointer<Float>, stride: Int, m: Int, n: Int, k: Int,
        alpha: Float, beta: Float
    ) {
        #if arch(x86_64)
            if m > 1, m * n * k <= SmallProduct.most, k <= SmallProduct.deepest, SmallProduct.isAvailable {
                return CVectorProductAVX2(
                    a.pointer, a.isTransposed ? 1 : a.stride, a.isTransposed ? a.stride : 1,
                    b.pointer, b.isTransposed ? 1 : b.stride, b.isTransposed ? b.stride : 1, c, stride, m, n, k, alpha, beta)
            }
        #endif
        BLAS.useOneThread()
        if m == 1, !a.isTransposed {
            // One row through the matrix product is several times slower than a matrix–vector product.
            cblas_sgemv(
                CblasRowMajor, b.isTransposed ? CblasNoTrans : CblasTrans, blasint(b.isTransposed ? n : k),
                blasint(b.isTransposed ? k : n), alpha, b.pointer, blasint(b.stride), a.pointer, 1, beta, c, 1)
        } else {
            cblas_sgemm(
                CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans,
                blasint(m), blasint(n), blasint(k), alpha, a.pointer, blasint(a.stride), b.pointer, blasint(b.stride),
                beta, c, blasint(stride))
        }
    }
}

extension Double: Scalar {
    public typealias Vector = Double

    public var primal: Double { self }
    public static func exp(_ x: Double) -> Double { Glibc.exp(x) }
    public static func log(_ x: Double) -> Double { Glibc.log(x) }
    public static func tanh(_ x: Double) -> Double { Glibc.tanh(x) }
    public static func sqrt(_ x: Double) -> Double { x.squareRoot() }
    @inline(__always) public static func select(_ x: Double, above y: Double, _ a: Double, _ b: Double) -> Double { x > y ? a : b }

    public static func multiply(
        _ a: Matrix<Double>, _ b: Matrix<Double>, into c: UnsafeMutablePointer<Double>, stride: Int, m: Int, n: Int, k: Int,
        alpha: Double, beta: Double
    ) {
        BLAS.useOneThread()
        cblas_dgemm(
            CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans,
            blasint(m), blasint(n), blasint(k), alpha, a.pointer, blasint(a.stride), b.pointer, blasint(b.stride),
            beta, c, blasint(stride))
    }
}

/// The limits up to which this project's own kernel is used instead of OpenBLAS: within them it is faster, and a row of the product
/// is identical to the bit whatever the values and the number of the other rows.
enum SmallProduct {
    /// `most` multiply-adds m·n·k, `deepest` inner dimension k.
    static let most = 1 << 23, deepest = Int(CVectorDeepestProduct)
    static let isAvailable = CVectorHasAVX2() != 0
}

/// OpenBLAS, limited to the calling thread: its own threads would compete with a team's for the cores.
public enum BLAS {
    private static let oneThread: Void = openblas_set_num_threads(1)

    @inline(__always) static func useOneThread() { _ = oneThread }

    /// The processor family whose kernels OpenBLAS chose. Results repeat to the bit for one kernel and one team size.
    public static var kernel: String { String(cString: openblas_get_corename()) }
}
