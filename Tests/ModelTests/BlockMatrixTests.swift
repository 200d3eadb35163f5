import CVector
import Statistics
import Testing

/// Products with matrices in blocks, by every kernel that this processor has.
@Suite struct BlockMatrixTests {
    static let levels = Int32(CVectorPlain.rawValue)...CVectorBestLevel()
    static let formats = [CVectorQ4_0, CVectorQ4_1, CVectorQ8_0].map(\.rawValue)

    private struct Problem {
        let rows = 21, blocks: Int, format: CVectorBlockFormat
        var bytes: [UInt8]
        /// In reverse order.
        let order: [Int32]
        let numbers: [Float]

        init(_ format: UInt32, blocks: Int, _ random: inout RandomSource) {
            self.format = CVectorBlockFormat(rawValue: format)
            self.blocks = blocks
            let size = format == CVectorQ4_0.rawValue ? 18 : format == CVectorQ4_1.rawValue ? 20 : 34, count = rows * blocks
            bytes = (0..<count * size).map { _ in UInt8(random.uniform() * 256) }
            for block in 0..<count {
                for place in [0, 2].prefix(format == CVectorQ4_1.rawValue ? 2 : 1) {
                    let bits = Float16(random.uniform() - 0.5).bitPattern
                    (bytes[block * size + place], bytes[block * size + place + 1]) = (UInt8(bits & 255), UInt8(bits >> 8))
                }
            }
            var numbers = [Float](repeating: 0, count: count * 32)
            CVectorDecodeBlocks(Int32(CVectorPlain.rawValue), self.format, bytes, count, &numbers)
            self.numbers = numbers
            order = (0..<Int32(rows)).reversed()
        }
    }

    /// The quantised vectors and their exact values.
    private static func quantized(_ x: [Float], width: Int, level: Int32) -> (q: [Int8], scales: [Float], values: [Float]) {
        let groups = (width + 127) / 128, count = x.count / width
        var q = [Int8](repeating: 0, count: count * groups * 128), scales = [Float](repeating: 0, count: count * groups * 8)
        var values: [Float] = []
        for t in 0..<count {
            q.withUnsafeMutableBufferPointer { q in
                scales.withUnsafeMutableBufferPointer { scales in
                    x.withUnsafeBufferPointer { x in
                        CVectorQuantizeBlocks(
                            level, x.baseAddress! + t * width, width, q.baseAddress! + t * groups * 128,
                            scales.baseAddress! + t * groups * 8)
                    }
                }
            }
            for i in 0..<width {
                let (block, place) = (i / 32, i % 32)
                let at = t * groups * 128 + block / 4 * 128 + block % 4 * 16 + (place < 16 ? place : 48 + place)
                values.append(Float(q[at]) * scales[t * groups * 8 + block / 4 * 8 + block % 4 * 2])
            }
        }
        return (q, scales, values)
    }

    @Test(arguments: levels, formats)
    func aProductIsTheSumOverDecodedNumbers(level: Int32, format: UInt32) {
        var random = RandomSource(seed: 2)
        for (blocks, count) in [(1, 1), (3, 2), (4, 7), (18, 13)] {
            let problem = Problem(format, blocks: blocks, &random), width = blocks * 32
            let x = (0..<count * width).map { _ in Float(random.uniform() - 0.5) }
            let (q, scales, values) = Self.quantized(x, width: width, level: level)
            var few = [Float](repeating: 1, count: count * problem.rows), many = few
            problem.bytes.withUnsafeBufferPointer { bytes in
                problem.order.withUnsafeBufferPointer { order in
                    var matrix = CVectorBlockMatrix(
                        blocks: bytes.baseAddress!, order: order.baseAddress!, blocksInRow: blocks, format: problem.format)
                    CVectorMultiplyBlocks(level, &matrix, 1, problem.rows, q, scales, count, &few, problem.rows)
                    if CVectorMultipliesMany(level, &matrix) != 0 {
                        var panel = [Float](repeating: 0, count: blocks * Int(CVectorPanelBytes) / 4)
                        CVectorMultiplyMany(level, &matrix, 1, problem.rows, q, scales, count, &many, problem.rows, &panel)
                    } else {
                        many = few
                    }
                }
            }
            for t in 0..<count {
                #expect(few[t * problem.rows] == 1 && many[t * problem.rows] == 1)
                for row in 1..<problem.rows {
                    let stored = Int(problem.order[row]) * width
                    let terms = (0..<width).map { problem.numbers[stored + $0] * values[t * width + $0] }
                    let sum = terms.reduce(1, +), size = terms.reduce(1) { $0 + abs($1) }
                    let place = t * problem.rows + row
                    #expect(abs(few[place] - sum) < 1e-5 * size && abs(many[place] - sum) < 1e-5 * size)
                }
            }
        }
    }

    @Test(arguments: levels, formats)
    func decodingIsTheSameByEveryKernel(level: Int32, format: UInt32) {
        var random = RandomSource(seed: 6)
        let problem = Problem(format, blocks: 5, &random)
        var numbers = [Float](repeating: 0, count: problem.numbers.count)
        CVectorDecodeBlocks(level, problem.format, problem.bytes, problem.rows * 5, &numbers)
        #expect(numbers == problem.numbers)
    }

    @Test(arguments: levels)
    func halvesAreDecodedExactly(level: Int32) {
        let bits = (0...UInt16.max).filter { Float16(bitPattern: $0).isFinite }
        var numbers = [Float](repeating: 0, count: bits.count)
        let bytes = bits.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
        CVectorDecodeHalves(level, bytes, bits.count, &numbers)
        #expect(numbers == bits.map { Float(Float16(bitPattern: $0)) })
    }

    @Test(arguments: levels)
    func aVectorIsQuantisedToTheNearestAndWhatIsNotFiniteStaysSo(level: Int32) {
        var random = RandomSource(seed: 8)
        var x = (0..<150).map { _ in Float(random.uniform() - 0.5) }
        let values = Self.quantized(x, width: 150, level: level).values
        for block in 0..<5 {
            let part = block * 32..<min(block * 32 + 32, 150), step = x[part].map(abs).max()! / 127
            for i in part { #expect(abs(x[i] - values[i]) <= step * 0.5001) }
        }
        for stray in [Float.nan, .infinity, -.infinity] {
            x[40] = stray
            let scales = Self.quantized(x, width: 150, level: level).scales
            #expect(!scales[2].isFinite && scales[3].isNaN && scales[0].isFinite && scales[4].isFinite)
        }
    }

    @Test(arguments: levels, [6, 8, 64, 72])
    func attentionToACacheIsItsSums(level: Int32, D: Int) {
        var random = RandomSource(seed: 9)
        func numbers(_ count: Int) -> [Float] { (0..<count).map { _ in Float(random.uniform() - 0.5) } }
        let tiles = 7, q = numbers(D), keys = numbers(tiles * 16 * D), values = numbers(tiles * 16 * D)
        var scores = [Float](repeating: 0, count: tiles * 16), y = [Float](repeating: 5, count: D)
        CVectorScores(level, q, keys, tiles, D, 0.5, &scores)
        for s in scores.indices {
            let sum = (0..<D).reduce(Float(0)) { $0 + q[$1] * keys[s / 16 * 16 * D + $1 * 16 + s % 16] }
            #expect(abs(scores[s] - 0.5 * sum) < 1e-5)
        }
        CVectorMix(level, scores, values, 100, D, &y)
        for d in 0..<D { #expect(abs(y[d] - (0..<100).reduce(Float(0)) { $0 + scores[$1] * values[$1 * D + d] }) < 1e-5) }
    }
}
