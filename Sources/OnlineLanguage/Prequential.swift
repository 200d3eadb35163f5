/// The prequential code length of a text: the sum over its bytes, each predicted before it was learned.
/// Source: A. P. Dawid, Statistical Theory: The Prequential Approach, 1984, https://doi.org/10.2307/2981683
public struct CodeLength: Sendable, Equatable {
    public private(set) var bytes = 0
    public private(set) var bits = 0.0

    public init() {}

    /// The mean code length; 0 before the first byte.
    public var bitsPerByte: Double { bytes == 0 ? 0 : bits / Double(bytes) }

    public mutating func add(bits: Double, bytes: Int) {
        self.bits += bits
        self.bytes += bytes
    }
}

extension ByteLearner {
    /// Reads a byte: predicts each of its bits, then learns it.
    /// - Parameters:
    ///   - byte: the byte.
    ///   - length: increased by the byte's code length.
    public func read(_ byte: UInt8, _ length: inout CodeLength) {
        var bits = 0.0
        for shift in stride(from: 7, through: 0, by: -1) {
            let bit = Int(byte >> UInt8(shift)) & 1
            bits += predict().codeLength(of: bit)
            learn(bit)
        }
        length.add(bits: bits, bytes: 1)
    }
}
