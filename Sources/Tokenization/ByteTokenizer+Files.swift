import Foundation

extension ByteTokenizer {
    /// This tokenizer as files in Hugging Face's format, contents by file name: GPT-2's byte-level tokenizer with a token for every byte
    /// and no merges.
    public var files: [String: String] {
        let spellings = (0...255).map { (ByteAlphabet.spelling(of: UInt8($0)), $0) } + [("<|endoftext|>", 256)]
        let entries = spellings.map { "\"\($0 == "\"" || $0 == "\\" ? "\\" + $0 : $0)\": \($1)" }
        return [
            "vocab.json": "{" + entries.joined(separator: ", ") + "}\n",
            "merges.txt": "#version: 0.2\n",
            "tokenizer_config.json": "{\"tokenizer_class\": \"GPT2Tokenizer\", \"bos_token\": \"<|endoftext|>\", "
                + "\"eos_token\": \"<|endoftext|>\", \"unk_token\": \"<|endoftext|>\", \"add_prefix_space\": false}\n",
        ]
    }
}
