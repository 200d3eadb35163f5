/// Arithmetic coding: encodes bits, given their probabilities, in about as many bits as their code length.
/// An interval of 32-bit numbers is narrowed by every bit; leading bytes equal at both ends are output.
/// Source: I. Witten, R. Neal, J. Cleary, Arithmetic Coding for Data Compression, 1987, https://doi.org/10.1145/214762.214771
public struct ArithmeticEncoder {
    public private(set) var bytes: [UInt8] = []
    private var interval = Interval()

    public init() {}

    public mutating func encode(_ bit: Int, _ p: BitProbability) {
        interval.narrow(to: bit, at: interval.split(p))
        while let byte = interval.settled() { bytes.append(byte) }
    }

    /// Ends the code and returns it.
    public consuming func finish() -> [UInt8] {
        bytes + interval.lowest
    }
}

/// Decodes the output of `ArithmeticEncoder`, given the same probabilities. Bytes after the end of the code are taken as zero.
public struct ArithmeticDecoder {
    private let bytes: [UInt8]
    private var position = 0
    private var value: UInt32 = 0
    private var interval = Interval()

    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
        for _ in 0..<4 { readByte() }
    }

    public mutating func decode(_ p: BitProbability) -> Int {
        let split = interval.split(p)
        let bit = value <= split ? 1 : 0
        interval.narrow(to: bit, at: split)
        while interval.settled() != nil { readByte() }
        return bit
    }

    private mutating func readByte() {
        value = value << 8 | UInt32(position < bytes.count ? bytes[position] : 0)
        position += 1
    }
}

/// The interval of the remaining codes, both ends included. The lower part is that of a one.
private struct Interval {
    private var low: UInt32 = 0
    private var high: UInt32 = .max

    func split(_ p: BitProbability) -> UInt32 {
        low + UInt32((UInt64(high - low) * UInt64(p.ones)) >> 16)
    }

    mutating func narrow(to bit: Int, at split: UInt32) {
        if bit == 1 { high = split } else { low = split + 1 }
    }

    /// Removes and returns the first byte if it is equal at both ends.
    mutating func settled() -> UInt8? {
        guard low >> 24 == high >> 24 else { return nil }
        defer { (low, high) = (low << 8, high << 8 | 255) }
        return UInt8(high >> 24)
    }

    /// Four bytes inside the interval.
    var lowest: [UInt8] { withUnsafeBytes(of: low.bigEndian, Array.init) }
}
