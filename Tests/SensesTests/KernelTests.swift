import CVector
import Statistics
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
