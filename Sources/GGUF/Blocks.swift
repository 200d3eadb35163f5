import CVector

/// Dequantisation of the block formats of GGUF files, by the formulas of ggml.
/// https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c
///
/// d is a block's scale, m or min its offset; q are the quantised numbers, low nibbles first.
enum Blocks {
    /// Decodes `count` numbers, a multiple of the type's block count, from `bytes` into `y`.
    static func decode(_ bytes: UnsafeRawPointer, _ type: GGUFType, count: Int, into y: UnsafeMutablePointer<Float>) {
        switch type {
        case .float32: for i in 0..<count { y[i] = Float(bitPattern: bytes.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self)) }
        case .float16: CVectorDecodeHalves(level, bytes.assumingMemoryBound(to: UInt8.self), count, y)
        case .q4_0: decode(bytes, CVectorQ4_0, count: count, into: y)
        case .q4_1: decode(bytes, CVectorQ4_1, count: count, into: y)
        case .q8_0: decode(bytes, CVectorQ8_0, count: count, into: y)
        case .bfloat16:
            for i in 0..<count { y[i] = Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)) << 16) }
        default:
            let blocks = count / type.blockCount
            for block in 0..<blocks { decodeBlock(bytes + block * type.blockBytes, type, into: y + block * type.blockCount) }
        }
    }

    private static let level = CVectorBestLevel()

    private static func decode(
        _ bytes: UnsafeRawPointer, _ format: CVectorBlockFormat, count: Int, into y: UnsafeMutablePointer<Float>
    ) {
        CVectorDecodeBlocks(level, format, bytes.assumingMemoryBound(to: UInt8.self), count / 32, y)
    }

    @inline(__always)
    private static func half(_ bytes: UnsafeRawPointer, _ offset: Int) -> Float {
        Float(Float16(bitPattern: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
    }

    @inline(__always)
    private static func byte(_ bytes: UnsafeRawPointer, _ offset: Int) -> Int32 {
        Int32(bytes.load(fromByteOffset: offset, as: UInt8.self))
    }

    @inline(__always)
    private static func signed(_ bytes: UnsafeRawPointer, _ offset: Int) -> Int32 {
        Int32(bytes.load(fromByteOffset: offset, as: Int8.self))
    }

    private static func decodeBlock(_ block: UnsafeRawPointer, _ type: GGUFType, into y: UnsafeMutablePointer<Float>) {
        switch type {
        case .q5_0:
            nibbles(block + 6, high: block.loadUnaligned(fromByteOffset: 2, as: UInt32.self), d: half(block, 0), m: 0, zero: 16, into: y)
        case .q5_1:
            nibbles(
                block + 8, high: block.loadUnaligned(fromByteOffset: 4, as: UInt32.self), d: half(block, 0), m: half(block, 2), zero: 0,
                into: y)
        case .q4_K: superblock(block, low: block + 16, high: nil, into: y)
        case .q5_K: superblock(block, low: block + 48, high: block + 16, into: y)
        case .q6_K: sixBits(block, into: y)
        case .float32, .float16, .bfloat16, .q4_0, .q4_1, .q8_0: break  // not blocks, or decoded above
        }
    }

    /// 32 numbers: the low nibbles of 16 bytes, then their high nibbles; bit i of `high` is the fifth bit of number i.
    @inline(__always)
    private static func nibbles(
        _ q: UnsafeRawPointer, high: UInt32, d: Float, m: Float, zero: Int32, into y: UnsafeMutablePointer<Float>
    ) {
        for i in 0..<16 {
            let pair = byte(q, i)
            y[i] = d * Float((pair & 15 | Int32(high >> UInt32(i) & 1) << 4) - zero) + m
            y[i + 16] = d * Float((pair >> 4 | Int32(high >> UInt32(i + 16) & 1) << 4) - zero) + m
        }
    }

    /// 256 numbers in eight runs of 32, each run with a scale and an offset of six bits.
    @inline(__always)
    private static func superblock(
        _ block: UnsafeRawPointer, low: UnsafeRawPointer, high: UnsafeRawPointer?, into y: UnsafeMutablePointer<Float>
    ) {
        let d = half(block, 0), min = half(block, 2), packed = block + 4
        for run in 0..<8 {
            let scale: Int32, offset: Int32
            if run < 4 {
                (scale, offset) = (byte(packed, run) & 63, byte(packed, run + 4) & 63)
            } else {
                scale = byte(packed, run + 4) & 15 | (byte(packed, run - 4) >> 6) << 4
                offset = byte(packed, run + 4) >> 4 | (byte(packed, run) >> 6) << 4
            }
            let step = d * Float(scale), base = min * Float(offset), q = low + run / 2 * 32
            for i in 0..<32 {
                let nibble = run.isMultiple(of: 2) ? byte(q, i) & 15 : byte(q, i) >> 4
                let fifth = high.map { byte($0, i) >> Int32(run) & 1 } ?? 0
                y[run * 32 + i] = step * Float(nibble | fifth << 4) - base
            }
        }
    }

    /// 256 numbers of six bits in sixteen runs, each run with a scale of eight bits.
    @inline(__always)
    private static func sixBits(_ block: UnsafeRawPointer, into y: UnsafeMutablePointer<Float>) {
        let d = half(block, 208)
        for part in 0..<2 {
            let low = block + part * 64, high = block + 128 + part * 32, scales = block + 192 + part * 8, y = y + part * 128
            for i in 0..<32 {
                let top = byte(high, i)
                let q =
                    [
                        byte(low, i) & 15 | (top & 3) << 4, byte(low, i + 32) & 15 | (top >> 2 & 3) << 4,
                        byte(low, i) >> 4 | (top >> 4 & 3) << 4, byte(low, i + 32) >> 4 | (top >> 6 & 3) << 4,
                    ] as InlineArray<4, Int32>
                for j in 0..<4 { y[j * 32 + i] = d * Float(signed(scales, i / 16 + 2 * j)) * Float(q[j] - 32) }
            }
        }
    }
}

extension GGUFType {
    /// Encodes numbers in the format Q8_0: blocks of 32 with the scale max |x| / 127 in half precision, rounded to nearest.
    /// - Parameters:
    ///   - numbers: finite ones; their count is a multiple of 32.
    ///   - bytes: memory for 34 bytes for each block.
    public static func encodeEightBits(_ numbers: [Float], into bytes: UnsafeMutableRawPointer) {
        for block in 0..<numbers.count / 32 {
            let x = numbers[block * 32..<block * 32 + 32]
            let largest = x.reduce(0) { max($0, abs($1)) }
            // A scale beyond half precision's range is clamped to its largest finite number.
            let scale = Float16(min(largest / 127, Float(Float16.greatestFiniteMagnitude)))
            let inverse = scale > 0 ? 1 / Float(scale) : 0, to = bytes + block * 34
            to.storeBytes(of: scale.bitPattern, as: UInt16.self)
            for (i, number) in x.enumerated() {
                to.storeBytes(of: Int8(max(-127, min(127, (number * inverse).rounded()))), toByteOffset: 2 + i, as: Int8.self)
            }
        }
    }
}
