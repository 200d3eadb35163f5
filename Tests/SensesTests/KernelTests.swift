import CVector
import Foundation
import Statistics
import Synchronization
import Testing
@testable import Senses

/// The kernels at every level that this processor has, beside plain loops in double precision.
@Suite struct KernelTests {
    private static let levels = (CVectorPlain.rawValue...UInt32(CVectorBestLevel())).map { Int32($0) }

    private func numbers(_ count: Int, _ random: inout RandomSource) -> [Float] {
        (0..<count).map { _ in Float(random.uniform() * 2 - 1) }
    }

    @Test(arguments: levels)
    func aPackedProductIsTheProduct(level: Int32) {
        var random = RandomSource(seed: 7)
        for (rows, N, K, clamps, adds) in [
            (1, 1, 1, false, false), (13, 24, 27, true, false), (130, 40, 33, false, true), (49, 17, 70, true, true),
        ] {
            let w = numbers(N * K, &random), bias = numbers(N, &random), x = numbers(rows * K, &random), added = numbers(rows * N, &random)
            let matrix = PackedMatrix(w, bias: bias, clamps: clamps)
            for threads in 1...3 {
                var y = [Float](repeating: .nan, count: rows * N)
                added.withUnsafeBufferPointer {
                    matrix.multiply(x, rows: rows, adding: adds ? $0.baseAddress : nil, into: &y, threads: threads, level: level)
                }
                for row in 0..<rows {
                    for n in 0..<N {
                        var sum = (0..<K).reduce(Double(bias[n])) { $0 + Double(w[n * K + $1]) * Double(x[row * K + $1]) }
                        if clamps { sum = min(6, max(0, sum)) }
                        if adds { sum += Double(added[row * N + n]) }
                        #expect(abs(Double(y[row * N + n]) - sum) < 1e-4)
                    }
                }
            }
        }
    }

    /// Rows that overlap, as those of a convolution over time.
    @Test(arguments: levels)
    func aProductOfRowsThatOverlapIsTheirProduct(level: Int32) {
        var random = RandomSource(seed: 9)
        let (rows, N, K, stride) = (61, 19, 24, 8)
        let w = numbers(N * K, &random), bias = numbers(N, &random), x = numbers((rows - 1) * stride + K, &random)
        var y = [Float](repeating: .nan, count: rows * N)
        PackedMatrix(w, bias: bias).multiply(x, stride: stride, rows: rows, into: &y, level: level)
        for row in 0..<rows {
            for n in 0..<N {
                let sum = (0..<K).reduce(Double(bias[n])) { $0 + Double(w[n * K + $1]) * Double(x[row * stride + $1]) }
                #expect(abs(Double(y[row * N + n]) - sum) < 1e-4)
            }
        }
    }

    @Test(arguments: levels)
    func aProductInHalfPrecisionIsTheProductOfItsHalves(level: Int32) {
        var random = RandomSource(seed: 10)
        for (N, K, adds) in [(1, 1, false), (40, 33, true), (64, 17, false), (131, 384, true)] {
            let w = numbers(N * K, &random).map { Float16($0) }, bias = numbers(N, &random), x = numbers(K, &random)
            let added = numbers(N, &random), matrix = HalfMatrix(w.map(\.bitPattern), bias: bias)
            for threads in 1...3 {
                var y = [Float](repeating: .nan, count: N)
                added.withUnsafeBufferPointer {
                    matrix.multiply(x, adding: adds ? $0.baseAddress : nil, into: &y, threads: threads, level: level)
                }
                for n in 0..<N {
                    let start = Double(bias[n]) + (adds ? Double(added[n]) : 0)
                    let sum = (0..<K).reduce(start) { $0 + Double(w[n * K + $1]) * Double(x[$1]) }
                    #expect(abs(Double(y[n]) - sum) < 1e-4)
                }
            }
            #expect(matrix.row(N - 1) == w[(N - 1) * K..<N * K].map { Float($0) })
        }
    }

    /// Zero, the smallest and the largest numbers in half precision, and those between normal and subnormal.
    @Test(arguments: levels)
    func everyHalfIsItsNumber(level: Int32) {
        let halves: [UInt16] = [0, 0x8000, 1, 0x8001, 0x03FF, 0x0400, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF, 0x3555, 0x0200]
        var y = [Float](repeating: .nan, count: halves.count)
        HalfMatrix(halves, bias: [Float](repeating: 0, count: halves.count)).multiply([1], into: &y, level: level)
        #expect(y == halves.map { Float(Float16(bitPattern: $0)) })
    }

    @Test(arguments: levels)
    func functionsOfRowsAreTheirFormulas(level: Int32) {
        var random = RandomSource(seed: 11)
        for count in [1, 15, 16, 33, 1_500] {
            let x = numbers(count, &random).map { $0 * 12 }
            var gelu = x, weights = x
            CVectorGelu(level, &gelu, count)
            CVectorSoftmax(level, &weights, count)
            let peak = Double(x.max() ?? 0), sum = x.reduce(0.0) { $0 + exp(Double($1) - peak) }
            for i in 0..<count {
                let number = Double(x[i])
                #expect(abs(Double(gelu[i]) - number * (1 + erf(number / 2.0.squareRoot())) / 2) < 1e-6)
                let weight = exp(number - peak) / sum
                #expect(abs(Double(weights[i]) - weight) < 3e-6 * weight + 1e-30)
            }
        }
        let (rows, C) = (3, 48), x = numbers(rows * C, &random), weight = numbers(C, &random), bias = numbers(C, &random)
        var y = [Float](repeating: .nan, count: rows * C)
        CVectorNormalize(level, x, rows, C, 1e-5, weight, bias, &y)
        for row in 0..<rows {
            let own = x[row * C..<(row + 1) * C].map { Double($0) }, mean = own.reduce(0, +) / Double(C)
            let variance = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(C)
            for c in 0..<C {
                let expected = (own[c] - mean) / (variance + 1e-5).squareRoot() * Double(weight[c]) + Double(bias[c])
                #expect(abs(Double(y[row * C + c]) - expected) < 1e-5)
            }
        }
    }

    /// A number that is not finite does not become one that is.
    @Test(arguments: levels)
    func whatIsNotANumberStaysNone(level: Int32) {
        for place in [0, 5, 16, 18] {
            var x = [Float](repeating: 1, count: 19)
            x[place] = .nan
            var gelu = x
            CVectorGelu(level, &gelu, x.count)
            CVectorSoftmax(level, &x, x.count)
            #expect(gelu[place].isNaN && gelu.filter(\.isNaN).count == 1 && x.allSatisfy(\.isNaN))
        }
    }

    @Test func everyBlockIsTakenOnce() {
        for (count, size, threads) in [(0, 4, 2), (1, 4, 3), (13, 4, 3), (100, 7, 1)] {
            let taken = Mutex([Int](repeating: 0, count: count))
            takeTurns(count, by: size, among: threads) { thread, block in
                #expect((0..<threads).contains(thread) && block.count <= size)
                taken.withLock { for i in block { $0[i] += 1 } }
            }
            #expect(taken.withLock { $0.allSatisfy { $0 == 1 } })
        }
    }

    @Test(arguments: levels)
    func aDepthwiseConvolutionIsTheSumOfItsTaps(level: Int32) {
        var random = RandomSource(seed: 8)
        for (side, stride, height, width, channels) in [
            (3, 1, 7, 7, 16), (3, 2, 14, 12, 32), (5, 1, 9, 11, 48), (5, 2, 14, 14, 16), (5, 1, 2, 3, 16),
        ] {
            let out = (height: (height + stride - 1) / stride, width: (width + stride - 1) / stride), before = side / 2 - (stride - 1)
            let w = numbers(side * side * channels, &random), bias = numbers(channels, &random)
            let x = numbers(height * width * channels, &random)
            var y = [Float](repeating: .nan, count: out.height * out.width * channels)
            w.withUnsafeBufferPointer { w in
                bias.withUnsafeBufferPointer { bias in
                    var convolution = CVectorDepthwise(
                        weights: w.baseAddress, bias: bias.baseAddress, side: side, stride: stride, channels: channels, height: height,
                        width: width, before: before, outputWidth: out.width)
                    CVectorConvolveDepthwise(level, &convolution, x, 0, 1, &y)
                    CVectorConvolveDepthwise(level, &convolution, x, 1, out.height, &y)
                }
            }
            for row in 0..<out.height {
                for column in 0..<out.width {
                    for c in 0..<channels {
                        var sum = Double(bias[c])
                        for i in 0..<side {
                            for j in 0..<side {
                                let (top, left) = (row * stride - before + i, column * stride - before + j)
                                guard (0..<height).contains(top), (0..<width).contains(left) else { continue }
                                sum += Double(w[(i * side + j) * channels + c]) * Double(x[(top * width + left) * channels + c])
                            }
                        }
                        #expect(abs(Double(y[(row * out.width + column) * channels + c]) - min(6, max(0, sum))) < 1e-4)
                    }
                }
            }
        }
    }
}
