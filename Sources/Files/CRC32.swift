/// CRC-32 with the reflected polynomial 0xEDB88320, as of zlib, PNG and MCAP, eight bytes at a time.
/// https://www.w3.org/TR/png/#D-CRCAppendix; tables for eight bytes: Kounavis and Berry 2005
public struct CRC32: Sendable {
    private var state: UInt32 = 0xFFFF_FFFF

    public init() {}

    /// The checksum of all bytes so far; 0 for none.
    public var value: UInt32 { ~state }

    /// The checksum of bytes.
    public static func of(_ bytes: some Collection<UInt8>) -> UInt32 {
        var sum = CRC32()
        sum.update(bytes)
        return sum.value
    }

    public mutating func update(_ bytes: some Collection<UInt8>) {
        if bytes.withContiguousStorageIfAvailable({ update(UnsafeRawBufferPointer($0)) }) == nil {
            Array(bytes).withUnsafeBytes { update($0) }
        }
    }

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var state = state, index = 0
        Self.tables.withUnsafeBufferPointer { tables in
            while index + 8 <= bytes.count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)) ^ UInt64(state)
                state = 0
                for byte in 0..<8 { state ^= tables[(7 - byte) << 8 | Int(word >> (8 * UInt64(byte)) & 0xFF)] }
                index += 8
            }
            while index < bytes.count {
                state = tables[Int(UInt8(truncatingIfNeeded: state) ^ bytes[index])] ^ state >> 8
                index += 1
            }
        }
        self.state = state
    }

    /// Table k of 256: the checksum's change by a byte that k other bytes follow.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            tables[byte] = (0..<8).reduce(UInt32(byte)) { sum, _ in sum & 1 == 1 ? 0xEDB8_8320 ^ sum >> 1 : sum >> 1 }
        }
        for index in 256..<8 * 256 { tables[index] = tables[Int(tables[index - 256] & 0xFF)] ^ tables[index - 256] >> 8 }
        return tables
    }()
}
