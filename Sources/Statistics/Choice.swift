/// A setting that is one of a few words. Decoding any other word fails with an error that lists the allowed ones.
public protocol Choice: RawRepresentable<String>, CaseIterable, Codable, Sendable {}

extension Choice {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let word = try container.decode(String.self)
        guard let choice = Self(rawValue: word) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: Self.refusal(of: word))
        }
        self = choice
    }

    /// The error message for a word that is not allowed: `'batch' is neither live nor lockstep`.
    public static func refusal(of word: String) -> String { wordRefusal(word, allowed: allCases.map(\.rawValue)) }
}

/// The error message for a word that is not allowed: `'batch' is neither live nor lockstep`, `'x' is none of a, b, c`.
public func wordRefusal(_ word: String, allowed: [String]) -> String {
    let shown = "'\(word.prefix(80))'"
    return allowed.count == 2
        ? "\(shown) is neither \(allowed[0]) nor \(allowed[1])" : "\(shown) is none of \(allowed.joined(separator: ", "))"
}
