import Files
import FoundationEssentials
import StrictJSON

/// Opens the tokenizer of a Hugging Face directory: `tokenizer.json`, or `vocab.json` with `merges.txt`, with the settings and tokens of
/// `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`. A directory with neither has a `ByteTokenizer`.
/// - Throws: `TokenizationError`.
public func openTokenizer(directory: String) throws -> any Tokenizer {
    guard let (parts, settings) = try readTokenizer(directory: directory) else { return ByteTokenizer() }
    return try ByteLevelBPE(parts, settings)
}

/// Reads the files of a directory's tokenizer; nil if it has none.
func readTokenizer(directory: String) throws -> (TokenizerJSON, TokenizerSettings)? {
    func file(_ name: String) -> String? {
        let path = "\(directory)/\(name)"
        return FileKind(of: path) == nil ? nil : path
    }
    guard let contents = try? FileManager.default.contentsOfDirectory(atPath: directory), !contents.isEmpty else {
        throw TokenizationError.unreadable(file: directory, "it is not a directory, or it is empty")
    }
    if let json = file("tokenizer.json") {
        return try (TokenizerJSON(readFile(json), json), TokenizerSettings(file, kind: nil))
    }
    switch (file("vocab.json"), file("merges.txt")) {
    case (let vocabulary?, let merges?):
        let settings = try TokenizerSettings(file, kind: TokenizerKind(file))
        return try (TokenizerJSON(vocabulary: vocabulary, merges: merges), settings)
    case (nil, nil): return nil
    case (nil, _): throw TokenizationError.unreadable(file: "\(directory)/vocab.json", "it is missing, but there is a merges.txt")
    case (_, nil): throw TokenizationError.unreadable(file: "\(directory)/merges.txt", "it is missing, but there is a vocab.json")
    }
}

extension ByteLevelBPE {
    /// The post-processor of `tokenizer.json` is not applied: tokens before and after a text are added by the caller.
    convenience init(_ parts: TokenizerJSON, _ settings: TokenizerSettings) throws {
        let table = try parts.vocabulary.table(parts.files.vocabulary)
        let merges = try parts.merges.table(of: table, parts.files.merges)
        var added = AddedTokens()
        added.add(parts.added, to: table)
        added.add(settings.tokens, to: table)
        // <|endoftext|>, which GPT-2's tokenizer adds to any vocabulary, ends a text only if the files or the vocabulary contain it.
        let ending = settings.endOfText ?? "<|endoftext|>"
        let isOwn = settings.endOfText != nil || table.token(of: ending) != nil
        self.init(
            table: table, merges: merges, bytes: try parts.byteTokens(table), added: added.tokens,
            endOfText: isOwn ? added[ending]?.id ?? table.token(of: ending) : nil,
            addsPrefixSpace: settings.addsPrefixSpace ?? parts.addsPrefixSpace, splitsSpecialTokens: settings.splitsSpecialTokens,
            pattern: parts.pattern, ignoresMerges: parts.ignoresMerges, composes: parts.composes)
    }

    /// Creates a tokenizer from lists, as a GGUF file contains them.
    /// - Parameters:
    ///   - words: in GPT-2's byte alphabet; the index is the id.
    ///   - special: ids of the special tokens, which are found in a text before it is split into words.
    ///   - merges: "left right", in the order of their ranks.
    ///   - endOfText: the id of the token that ends a text.
    ///   - pattern: how a text is split into words.
    ///   - addsPrefixSpace: whether a text that does not begin with a space gets one.
    ///   - source: the path of the file, for messages.
    /// - Throws: `TokenizationError`.
    public convenience init(
        words: [String], special: [Int], merges: [String], endOfText: Int?, pattern: WordPattern, addsPrefixSpace: Bool = false,
        source: String
    ) throws {
        let special = Set(special)
        let table = try Vocabulary(words).table(source)
        var list = MergeList()
        for (rank, merge) in merges.enumerated() {
            var merge = merge
            guard merge.withUTF8({ list.insert($0) }) else {
                throw TokenizationError.malformed(file: source, "merge \(rank + 1) is not two words with a space between")
            }
        }
        var bytes = ByteTokens(joinsUnknown: false)
        for byte in UInt8.min...UInt8.max {
            if let token = table.token(of: ByteAlphabet.spelling(of: byte)) { bytes.tokens[Int(byte)] = Int32(token) }
        }
        let added = words.indices.filter(special.contains).map { id in
            var token = AddedToken(special: words[id])
            token.id = id
            return token
        }
        self.init(
            table: table, merges: try list.table(of: table, source), bytes: bytes, added: added, endOfText: endOfText,
            addsPrefixSpace: addsPrefixSpace, splitsSpecialTokens: false, pattern: pattern, ignoresMerges: pattern == .llama3)
    }
}

/// The words of a vocabulary in the spelling of its file.
struct Vocabulary {
    private var spellings: [UInt8] = []
    private var words: [(range: Range<Int>, token: Int)] = []

    init(_ text: [UInt8], _ file: String) throws {
        self = try parse(text, file) { scanner in try Vocabulary(&scanner) }
    }

    /// Words whose index is their id.
    init(_ list: [String]) {
        for (token, word) in list.enumerated() {
            let start = spellings.count
            spellings.append(contentsOf: word.utf8)
            words.append((start..<spellings.count, token))
        }
    }

    init(_ scanner: inout JSONScanner) throws {
        try scanner.object(distinct: false) { word, scanner in
            let token = try scanner.tokenID()
            let start = spellings.count
            spellings.append(contentsOf: word.utf8)
            words.append((start..<spellings.count, token))
        }
    }

    func table(_ file: String) throws -> TokenTable {
        guard let greatest = words.max(by: { $0.token < $1.token })?.token else {
            throw TokenizationError.malformed(file: file, "the vocabulary is empty")
        }
        // An id far above the number of words is an error in the file, and would waste memory.
        guard greatest < max(1 << 20, 8 * words.count) else {
            throw TokenizationError.malformed(file: file, "the token \(greatest) is out of range for \(words.count) words")
        }
        var table = TokenTable(count: words.count, size: greatest + 1)
        try spellings.withUnsafeBufferPointer { spellings in
            for word in words where !table.insert(UnsafeBufferPointer(rebasing: spellings[word.range]), as: word.token) {
                throw TokenizationError.malformed(file: file, "token \(word.token) is given to two words")
            }
        }
        return table
    }
}

/// Merges in the order of their ranks, in the spelling of the file. Left and right are stored contiguously, so that the range of both is
/// the merged word.
struct MergeList {
    private var spellings: [UInt8] = []
    private var merges: [(left: Range<Int>, right: Range<Int>)] = []

    /// The beginning of the line with the file's version, which may occur in a `merges` array too.
    private static let version = "#version"

    init() {}

    /// Reads `merges.txt`: a pair on each line, and optionally a line with the version.
    init(lines text: [UInt8], _ file: String) throws {
        try text.withUnsafeBufferPointer { text in
            var number = 0
            for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
                number += 1
                var line = line
                if line.last == UInt8(ascii: "\r") { line.removeLast() }
                if line.isEmpty || line.starts(with: Self.version.utf8) { continue }
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
                guard !line.hasPrefix(Self.version) else { return }
                guard line.withUTF8({ insert($0) }) else { throw scanner.error("a merge is two words with a space between") }
            }
        }
    }

    fileprivate mutating func insert(_ line: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let space = line.firstIndex(of: UInt8(ascii: " ")), space > 0, space + 1 < line.count,
            !line[(space + 1)...].contains(UInt8(ascii: " "))
        else { return false }
        insert(line[..<space], line[(space + 1)...])
        return true
    }

    private mutating func insert(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) {
        let start = spellings.count
        spellings.append(contentsOf: left)
        let middle = spellings.count
        spellings.append(contentsOf: right)
        merges.append((start..<middle, middle..<spellings.count))
    }

    /// Every merge as "left right".
    var lines: [String] {
        merges.map { left, right in
            String(decoding: spellings[left], as: UTF8.self) + " " + String(decoding: spellings[right], as: UTF8.self)
        }
    }

    func table(of tokens: TokenTable, _ file: String) throws -> MergeTable {
        var table = MergeTable(capacity: merges.count)
        try spellings.withUnsafeBufferPointer { spellings in
            func token(_ range: Range<Int>, rank: Int) throws -> Int32 {
                guard let token = tokens.token(of: UnsafeBufferPointer(rebasing: spellings[range])) else {
                    let word = String(decoding: spellings[range], as: UTF8.self)
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

/// The maximum size of a tokenizer's file, in bytes.
private let maximumFileBytes = 1 << 28

func readFile(_ file: String) throws(TokenizationError) -> [UInt8] {
    do throws(FileError) {
        return try Files.readFile(file, atMost: maximumFileBytes)
    } catch {
        throw .unreadable(file: file, error.cause)
    }
}

extension JSONScanner {
    /// Reads a token id. An id above those of any vocabulary is an error in the file, and would waste memory.
    mutating func tokenID() throws -> Int {
        let id = try integer()
        guard (0..<1 << 24).contains(id) else { throw error("the token \(id) is out of range") }
        return id
    }
}

/// Parses JSON; errors name the file.
func parse<Result>(_ text: [UInt8], _ file: String, _ body: (inout JSONScanner) throws -> Result) throws -> Result {
    do {
        return try JSONScanner.read(text, body)
    } catch let error as JSONError {
        throw TokenizationError.malformed(file: file, "\(error)")
    }
}
