import Files
import Tokenization

/// The tokenizer's files for a checkpoint, by name: those of the tokenizer's directory, or those of the byte tokenizer. A GGUF file's
/// tokenizer stays there.
/// - Parameters:
///   - directory: empty where a text's tokens are its bytes.
///   - vocabulary: the number of tokens of the model.
/// - Throws: `FileError`, where a file that is there cannot be read.
func tokenizerFiles(of directory: String, vocabulary: Int) throws(FileError) -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for name in tokenizerFileNames where !directory.isEmpty && fileExists("\(directory)/\(name)") {
        files[name] = try readFile("\(directory)/\(name)", atMost: largestTokenizerFile)
    }
    if directory.isEmpty, vocabulary >= ByteTokenizer().vocabularySize { files = ByteTokenizer().files.mapValues { Array($0.utf8) } }
    return files
}

private let tokenizerFileNames = [
    "tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "added_tokens.json", "tokenizer_config.json", "special_tokens_map.json",
    "generation_config.json",
]

/// In bytes.
private let largestTokenizerFile = 256 << 20
