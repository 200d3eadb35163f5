/// The numbers that a block of 32 can hold in a format without offset: d · q, with whole numbers q and a scale d in half precision.
public struct BlockGrid: Sendable, Equatable {
    public let type: GGUFType
    /// The least and the greatest q.
    public let codes: ClosedRange<Int>

    /// The numbers in a block.
    public static let count = 32

    /// - Parameter type: q8_0, q5_0 or q4_0; nil for another.
    public init?(_ type: GGUFType) {
        switch type {
        case .q8_0: codes = -127...127
        case .q5_0: codes = -16...15
        case .q4_0: codes = -8...7
        default: return nil
        }
        self.type = type
    }

    /// Writes a block of the type's `blockBytes`.
    /// - Parameters:
    ///   - q: `count` numbers within `codes`.
    ///   - scale: d.
    ///   - block: memory for the block.
    public func store(_ q: UnsafePointer<Int8>, scale: Float16, to block: UnsafeMutableRawPointer) {
        block.storeBytes(of: scale.bitPattern, as: UInt16.self)
        switch type {
        case .q8_0: for i in 0..<Self.count { block.storeBytes(of: q[i], toByteOffset: 2 + i, as: Int8.self) }
        case .q5_0:
            var high: UInt32 = 0
            for i in 0..<Self.count { high |= UInt32((Int(q[i]) + 16) >> 4) << UInt32(i) }
            block.storeBytes(of: high, toByteOffset: 2, as: UInt32.self)
            storeNibbles(q, zero: 16, to: block + 6)
        default: storeNibbles(q, zero: 8, to: block + 2)
        }
    }

    private func storeNibbles(_ q: UnsafePointer<Int8>, zero: Int, to bytes: UnsafeMutableRawPointer) {
        for i in 0..<16 {
            let low = (Int(q[i]) + zero) & 15, high = (Int(q[i + 16]) + zero) & 15
            bytes.storeBytes(of: UInt8(low | high << 4), toByteOffset: i, as: UInt8.self)
        }
    }
}
