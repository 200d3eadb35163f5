import Tokenization

/// The tokens around a moment's text and its answer in the language trunk's sequence:
///
///     opening, the text, answering, the answer, end
///
/// A trunk of our own has one token that opens and ends every text. A pretrained trunk with a chat format reads the text as the user's
/// turn, and writes the answer as its own.
public struct TurnTokens: Sendable, Equatable {
    /// The tokens before the text, at least one.
    public var opening: [Int]
    /// The tokens between the text and its answer.
    public var answering: [Int]
    /// The token that ends an answer.
    public var end: Int

    /// Whether the text and its answer are turns of different roles.
    public var separatesRoles: Bool { !answering.isEmpty }

    public init(opening: [Int], answering: [Int] = [], end: Int) {
        precondition(!opening.isEmpty, "a text begins with a token")
        (self.opening, self.answering, self.end) = (opening, answering, end)
    }

    /// The turns of a model's chat format; without one, the tokens at which its texts begin and end.
    ///
    /// - Parameters:
    ///   - path: a Hugging Face directory or a GGUF file.
    ///   - tokenizer: the model's.
    ///   - vocabularySize: the model's.
    /// - Throws: `CheckpointError` or `GGUFError`, if a file is malformed.
    public init(path: String, tokenizer: any Tokenizer, vocabularySize: Int) throws {
        let bounds = try TextBounds(path: path, tokenizer: tokenizer, vocabularySize: vocabularySize)
        let template = try chatTemplate(path: path)
        if let format = try? ChatFormat(tokenizer, template: template) {
            let markers = format.markers.compactMap(tokenizer.specialToken).filter { $0 < vocabularySize }
            if markers.count == format.markers.count {
                let beginning = bounds.begun([]), end = markers[markers.count - 1]
                func header(_ role: String) -> [Int] {
                    switch format {
                    case .chatML: [markers[0]] + tokenizer.encode("\(role)\n")
                    case .llama3: [markers[0]] + tokenizer.encode(role) + [markers[1]] + tokenizer.encode("\n\n")
                    }
                }
                let between = format == .chatML ? tokenizer.encode("\n") : []
                self.init(opening: beginning + header("user"), answering: [end] + between + header("assistant"), end: end)
                return
            }
        }
        let end = bounds.ends.min() ?? vocabularySize - 1
        self.init(opening: [bounds.begin ?? end], end: end)
    }
}
