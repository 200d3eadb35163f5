import Testing
@testable import Tensors

@Suite struct ProductTests {
    struct Shape: Sendable, CustomStringConvertible {
        var m: Int, n: Int, k: Int
        var description: String { "\(m) × \(n) × \(k)" }
    }

    private static let shapes = [
        Shape(m: 2, n: 1, k: 1), Shape(m: 7, n: 9, k: 3), Shape(m: 13, n: 16, k: 21), Shape(m: 40, n: 33, k: 64),
        Shape(m: 5, n: 257, k: 1024),
        Shape(m: 84, n: 192, k: 65), Shape(m: 3, n: 40, k: 1025), Shape(m: 1, n: 20, k: 30),
    ]

    /// With strides larger than rows, transposed or not, scaled and added or not: memory outside C does not change.
    @Test(arguments: shapes) func productsOfEveryShapeAreRight(_ shape: Shape) {
        let (m, n, k) = (shape.m, shape.n, shape.k)
        for (aIsTransposed, bIsTransposed) in [(false, false), (true, false), (false, true), (true, true)] {
            for (alpha, beta) in [(1.0, 0.0), (1, 1), (0.25, 0), (-2, 0.5)] {
                let aStride = (aIsTransposed ? m : k) + 3, bStride = (bIsTransposed ? k : n) + 1, stride = n + 2
                let a = numbers((aIsTransposed ? k : m) * aStride, 1), b = numbers((bIsTransposed ? n : k) * bStride, 2)
                let old = numbers(m * stride, 3)
                var c = old
                c.withUnsafeMutableBufferPointer {
                    Float.multiply(
                        Matrix(a, stride: aStride, transposed: aIsTransposed), Matrix(b, stride: bStride, transposed: bIsTransposed),
                        into: $0.baseAddress!, stride: stride, m: m, n: n, k: k, alpha: Float(alpha), beta: Float(beta))
                }
                var worst = 0.0
                for i in 0..<m {
                    for j in 0..<stride {
                        guard j < n else {
                            #expect(c[i * stride + j] == old[i * stride + j])
                            continue
                        }
                        let sum = (0..<k).reduce(0) { sum, p in
                            let left = a[aIsTransposed ? p * aStride + i : i * aStride + p]
                            return sum + Double(left) * Double(b[bIsTransposed ? j * bStride + p : p * bStride + j])
                        }
                        worst = max(worst, abs(Double(c[i * stride + j]) - alpha * sum - beta * Double(old[i * stride + j])))
                    }
                }
                #expect(worst < 1e-6 * Double(k + 8), "\(aIsTransposed), \(bIsTransposed), \(alpha), \(beta)")
            }
        }
    }

    /// So a prediction does not depend on the other moments of its batch, and a gradient not on rows without one.
    @Test(.enabled(if: SmallProduct.isAvailable)) func rowsOfASmallProductDoNotDependOnOthers() {
        let (m, n, k) = (70, 50, 64), a = numbers(m * k, 4), b = numbers(k * n, 5)
        let whole = product(a, b, m, n, k)
        for rows in 2..<m {
            #expect(product(Array(a[..<(rows * k)]), b, rows, n, k) == Array(whole[..<(rows * n)]))
        }
        let padded = product(
            (0..<m).flatMap { row in (0..<2 * k).map { $0 % 2 == 0 ? a[row * k + $0 / 2] : 0.3 } },
            (0..<2 * k).flatMap { p in (0..<n).map { p % 2 == 0 ? b[p / 2 * n + $0] : 0 } }, m, n, 2 * k)
        #expect(padded == whole)
    }

    private func product(_ a: [Float], _ b: [Float], _ m: Int, _ n: Int, _ k: Int) -> [Float] {
        var c = [Float](repeating: .nan, count: m * n)
        c.withUnsafeMutableBufferPointer {
            Float.multiply(
                Matrix(a, stride: k), Matrix(b, stride: n), into: $0.baseAddress!, stride: n, m: m, n: n, k: k, alpha: 1, beta: 0)
        }
        return c
    }

    private func numbers(_ count: Int, _ seed: UInt64) -> [Float] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Double(state >> 40) / Double(1 << 24) - 0.5)
        }
    }
}
