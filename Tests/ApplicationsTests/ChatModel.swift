import Files
import FilesTesting
import Foundation
import Model
import Statistics
import Tensors

/// Writes a small GPT-2 of bytes, whose tokenizer has the special tokens of ChatML.
func writeChatModel(to path: String) throws {
    let model = GPT2(GPT2Configuration(vocabularySize: 258, positions: 256, width: 16, layers: 3, heads: 2))
    var random = RandomSource(seed: 1)
    try model.save(model.initialStore(of: Float.self, using: &random), to: path)
    // GPT-2's byte alphabet: printable bytes are themselves, the others follow from U+0100 on.
    let printable = Set(33...126).union(161...172).union(174...255)
    let others = (0..<256).filter { !printable.contains($0) }
    var vocabulary: [String: Int] = [:]
    for byte in 0..<256 {
        let scalar = UnicodeScalar(UInt32(others.firstIndex(of: byte).map { 256 + $0 } ?? byte))
        if let scalar { vocabulary[String(scalar)] = byte }
    }
    try JSONEncoder().encode(vocabulary).write(to: URL(filePath: "\(path)/vocab.json"))
    try replaceFile(at: "\(path)/merges.txt", with: "#version: 0.2\n")
    try replaceFile(
        at: "\(path)/tokenizer_config.json",
        with: """
            {"tokenizer_class": "GPT2Tokenizer", "bos_token": "<|im_end|>", "eos_token": "<|im_end|>", "unk_token": "<|im_end|>",
            "added_tokens_decoder": {"256": {"content": "<|im_start|>", "special": true}, "257": {"content": "<|im_end|>", "special": true}}}
            """)
}
