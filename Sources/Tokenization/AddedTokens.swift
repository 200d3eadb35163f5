/// The added tokens of a tokenizer with the ids that Hugging Face's tokenizers give them: a token whose content is a word of the
/// vocabulary has that word's id, any other the next free one; the id listed in the file is ignored.
/// https://github.com/huggingface/tokenizers/blob/main/tokenizers/src/tokenizer/added_vocabulary.rs
struct AddedTokens {
    private(set) var tokens: [AddedToken] = []
    private var indices: [String: Int] = [:]
    private var greatest = -1

    /// Adds tokens in order. If a token with the same content exists, it keeps its id and gets the new flags.
    mutating func add(_ more: [AddedToken], to table: TokenTable) {
        for var token in more where !token.content.isEmpty {
            if let index = indices[token.content] {
                token.id = tokens[index].id
                tokens[index] = token
                continue
            }
            token.id = table.token(of: token.content) ?? (greatest >= table.count ? greatest + 1 : table.count)
            greatest = max(greatest, token.id)
            indices[token.content] = tokens.count
            tokens.append(token)
        }
    }

    subscript(content: String) -> AddedToken? { indices[content].map { tokens[$0] } }
}
