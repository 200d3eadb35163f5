import FoundationEssentials
import StrictJSON

/// The tokenizer of a Hugging Face directory: `tokenizer.json`, or `vocab.json` with `merges.txt`, or, where a directory
/// has neither, bytes. Throws `TokenizationError`.
public func openTokenizer(directory: String) throws -> any Tokenizer {
    func file(_ name: String) -> String? {
        let path = "\(directory)/\(name)"
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }
    guard let contents = try? FileManager.default.contentsOfDirectory(atPath: directory), !contents.isEmpty else {
        throw TokenizationError.unreadable(file: directory, "it is no directory, or an empty one")
    }
    if let json = file("tokenizer.json") { return try ByteLevelBPE(json: json) }
    switch (file("vocab.json"), file("merges.txt")) {
    case (let vocabulary?, let merges?):
        let added = try file("added_tokens.json").map(addedTokens) ?? []
        return try ByteLevelBPE(vocabulary: vocabulary, merges: merges, added: added)
    case (nil, nil): return ByteTokenizer()
    case (nil, _): throw TokenizationError.unreadable(file: "\(directory)/vocab.json", "it is missing beside merges.txt")
    case (_, nil): throw TokenizationError.unreadable(file: "\(directory)/merges.txt", "it is missing beside vocab.json")
    }
}

extension ByteLevelBPE {
    /// Reads `vocab.json` and `merges.txt` of GPT-2's kind, with tokens added to them. Throws `TokenizationError`.
    public convenience init(vocabulary: String, merges: String, added: [AddedToken] = []) throws {
        try self.init(
            Vocabulary(readFile(vocabulary), vocabulary), MergeList(lines: readFile(merges), merges), added: added,
            addsPrefixSpace: false, files: (vocabulary, merges))
    }

    /// Reads `tokenizer.json` of Hugging Face's tokenizers, if it says byte-level BPE. What its post-processor would put
    /// around a text is left to whoever builds a model's input. Throws `TokenizationError`.
    public convenience init(json file: String) throws {
        let parts = try TokenizerJSON(readFile(file), file)
        try self.init(
            parts.vocabulary, parts.merges, added: parts.added, addsPrefixSpace: parts.addsPrefixSpace,
            files: (file, file))
    }

    private convenience init(
        _ vocabulary: Vocabulary, _ list: MergeList, added: [AddedToken], addsPrefixSpace: Bool,
        files: (vocabulary: String, merges: String)
    ) throws {
        let table = try vocabulary.table(with: added, files.vocabulary)
        let merges = try list.table(of: table, files.merges)
        let tokenOfByte: [Int32] = try (0...255).map { (byte: UInt8) in
            guard let token = [byte].withUnsafeBufferPointer(table.token) else {
                throw TokenizationError.malformed(file: files.vocabulary, "no token stands for the byte \(byte)")
            }
            return Int32(token)
        }
        var added = added
        if let endOfText = Array("<|endoftext|>".utf8).withUnsafeBufferPointer(table.token),
            !added.contains(where: { $0.id == endOfText })
        {
            added.append(AddedToken(id: endOfText, content: "<|endoftext|>"))
        }
        self.init(
            table: table, merges: merges, tokenOfByte: tokenOfByte, addedTokens: added, addsPrefixSpace: addsPrefixSpace)
    }
}

/// The words of a vocabulary as its file lists them, already in bytes.
struct Vocabulary {
    private var bytes: [UInt8] = []
    private var words: [(range: Range<Int>, token: Int)] = []


    init(_ text: [UInt8], _ file: String) throws {
        self = try parse(text, file) { scanner in try Vocabulary(&scanner) }
    }

    init(_ scanner: inout JSONScanner) throws {
        try scanner.object(distinct: false) { word, scanner in
            let token = try scanner.tokenID()
            let start = bytes.count
            var word = word
            word.withUTF8 { ByteAlphabet.append($0, to: &bytes) }
            words.append((start..<bytes.count, token))
        }
    }

    func table(with added: [AddedToken], _ file: String) throws -> TokenTable {
        var table = TokenTable(size: (words.map(\.token) + added.map(\.id)).reduce(0) { max($0, $1 + 1) })
        func insert(_ word: UnsafeBufferPointer<UInt8>, as token: Int) throws {
            guard table.insert(word, as: token) else {
                throw TokenizationError.malformed(file: file, "token \(token) is given to two words")
            }
        }
        try bytes.withUnsafeBufferPointer { bytes in
            for word in words { try insert(UnsafeBufferPointer(rebasing: bytes[word.range]), as: word.token) }
        }
        for token in added {
            let content = Array(token.content.utf8)
            if let known = table.bytes(of: token.id), known.elementsEqual(content) { continue }
            try content.withUnsafeBufferPointer { try insert($0, as: token.id) }
        }
        return table
    }
}

/// Merges in the order of their ranks, already in bytes: left and right lie side by side, so the whole is their merge.
struct MergeList {
    private var bytes: [UInt8] = []
    private var merges: [(left: Range<Int>, right: Range<Int>)] = []

    init() {}

    /// `merges.txt`: a pair a line, apart from a line that tells the version.
    init(lines text: [UInt8], _ file: String) throws {
        try text.withUnsafeBufferPointer { text in
            var number = 0
            for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
                number += 1
                var line = line
                if line.last == UInt8(ascii: "\r") { line.removeLast() }
                if line.isEmpty || line.starts(with: "#version".utf8) { continue }
                guard insert(UnsafeBufferPointer(rebasing: line)) else {
                    throw TokenizationError.malformed(file: file, "line \(number) is not two words with a space between")
                }
            }
        }
    }

    /// Reads an array of "left right" or of ["left", "right"].
    init(_ scanner: inout JSONScanner) throws {
        try scanner.array { scanner in
            if scanner.isAtArray {
                var pair: [String] = []
                try scanner.array { pair.append(try $0.string()) }
                guard pair.count == 2 else { throw scanner.error("a merge is two words") }
                insert(Array(pair[0].utf8), Array(pair[1].utf8))
            } else {
                var line = try scanner.string()
                guard line.withUTF8({ insert($0) }) else { throw scanner.error("a merge is two words with a space between") }
            }
        }
    }

    private mutating func insert(_ line: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let space = line.firstIndex(of: UInt8(ascii: " ")), space > 0, space + 1 < line.count,
            !line[(space + 1)...].contains(UInt8(ascii: " "))
        else { return false }
        insert(line[..<space], line[(space + 1)...])
        return true
    }

    private mutating func insert(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) {
        func append(_ word: some Collection<UInt8>) -> Range<Int> {
            let start = bytes.count
            _ = word.withContiguousStorageIfAvailable { ByteAlphabet.append($0, to: &bytes) }
            return start..<bytes.count
        }
        let left = append(left)
        merges.append((left, append(right)))
    }

    func table(of tokens: TokenTable, _ file: String) throws -> MergeTable {
        var table = MergeTable(capacity: merges.count)
        try bytes.withUnsafeBufferPointer { bytes in
            func token(_ range: Range<Int>, rank: Int) throws -> Int32 {
                guard let token = tokens.token(of: UnsafeBufferPointer(rebasing: bytes[range])) else {
                    let word = String(decoding: bytes[range], as: UTF8.self)
                    throw TokenizationError.malformed(
                        file: file, "merge \(rank + 1) needs \"\(word)\", which the vocabulary lacks")
                }
                return Int32(token)
            }
            for (rank, merge) in merges.enumerated() {
                try table.insert(
                    token(merge.left, rank: rank), token(merge.right, rank: rank), rank: UInt32(rank),
                    token: token(merge.left.lowerBound..<merge.right.upperBound, rank: rank))
            }
        }
        return table
    }
}

/// `added_tokens.json`: an object from content to id.
private func addedTokens(_ file: String) throws -> [AddedToken] {
    try parse(readFile(file), file) { scanner in
        var tokens: [AddedToken] = []
        try scanner.object { content, scanner in tokens.append(AddedToken(id: try scanner.tokenID(), content: content)) }
        return tokens
    }
}

func readFile(_ file: String) throws(TokenizationError) -> [UInt8] {
    do {
        return Array(try Data(contentsOf: URL(filePath: file)))
    } catch {
        throw .unreadable(file: file, "\((error as? CocoaError)?.code == .fileReadNoSuchFile ? "it does not exist" : "\(error)")")
    }
}

extension JSONScanner {
    /// Reads an id. One larger than any vocabulary's is a mistake, and would cost memory.
    mutating func tokenID() throws -> Int {
        let id = try integer()
        guard (0..<1 << 24).contains(id) else { throw error("the token \(id) is out of range") }
        return id
    }
}

/// Reads JSON, naming the file in what is refused.
func parse<Result>(_ text: [UInt8], _ file: String, _ body: (inout JSONScanner) throws -> Result) throws -> Result {
    do {
        return try JSONScanner.read(text, body)
    } catch let error as JSONError {
        throw TokenizationError.malformed(file: file, "\(error)")
    }
}
