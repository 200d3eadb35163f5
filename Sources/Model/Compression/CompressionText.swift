import Tensors
import Tokenization

/// A text on which a compression is calibrated, and its end, on which what it costs is measured.
public struct CompressionText: Sendable {
    /// The tokens that are read for calibration.
    public let calibration: [Int]
    /// The tokens that are scored, from the text's last fifth, and their bytes.
    public let heldOut: [Int], heldOutBytes: Int

    /// Why a text cannot be used.
    public enum Refusal: Error, Equatable, CustomStringConvertible {
        case tooShort(bytes: Int)

        public var description: String {
            switch self {
            case .tooShort(let bytes):
                "a text of \(bytes) bytes is too short to calibrate on and to score; \(CompressionText.leastBytes) are needed"
            }
        }
    }

    /// The least length of a text.
    public static let leastBytes = 256

    /// - Parameters:
    ///   - text: the bytes of a text.
    ///   - tokenizer: the model's.
    ///   - tokenLimit: the most tokens for calibration: pieces from all over the first four fifths.
    ///   - piece: the tokens of a piece.
    ///   - heldOutLimit: the most bytes that are scored.
    /// - Throws: `Refusal`.
    public init(_ text: [UInt8], _ tokenizer: any Tokenizer, tokenLimit: Int, piece: Int, heldOutLimit: Int) throws(Refusal) {
        guard text.count >= Self.leastBytes else { throw Refusal.tooShort(bytes: text.count) }
        // Not within a character of UTF-8.
        let end = text[(text.count / 5 * 4)...].firstIndex { $0 & 0xC0 != 0x80 } ?? text.count
        let rest = text[end...], scored = Array(rest.prefix(heldOutLimit))
        let tokens = tokenizer.encode(Array(text[..<end]))
        calibration = Self.pieces(of: tokens, length: max(1, piece), atMost: tokenLimit)
        heldOut = tokenizer.encode(scored)
        heldOutBytes = scored.count
        guard heldOut.count > 1, !calibration.isEmpty else { throw Refusal.tooShort(bytes: text.count) }
    }

    /// Pieces of a text at equal distances, one after the other.
    static func pieces(of tokens: [Int], length: Int, atMost limit: Int) -> [Int] {
        guard tokens.count > limit else { return tokens }
        let count = max(1, limit / length)
        guard count > 1 else { return Array(tokens.prefix(limit)) }
        return (0..<count).flatMap { n -> ArraySlice<Int> in
            let start = (tokens.count - length) * n / (count - 1)
            return tokens[start..<start + length]
        }
    }
}

/// What a compression costs on a text.
public struct CompressionCost: Sendable {
    /// The score of the model and of its compressed version.
    public let before: Perplexity, after: Perplexity

    public init(before: Perplexity, after: Perplexity) {
        self.before = before
        self.after = after
    }

    /// The loss of likelihood: by how many per cent a byte takes more bits than before; below 0 if it takes fewer.
    public var percent: Double { (after.bitsPerByte / before.bitsPerByte - 1) * 100 }

    /// Whether the loss is a number and at most a margin, in per cent.
    public func isWithin(_ margin: Double) -> Bool { percent <= margin }
}
