/// Splits a text into words by GPT-2's pre-tokenisation: the successive leftmost matches of
///
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///
/// which cover the text without gaps. https://github.com/openai/gpt-2/blob/master/src/encoder.py
/// The other patterns are described at `WordPattern`.
struct WordSplitter: Sequence, IteratorProtocol {
    private let text: UnsafeBufferPointer<UInt8>
    private var start: Int
    /// The end of the part to which the pattern is applied: the end of the range, or the next digit.
    private var end: Int
    private let limit: Int
    private let pattern: WordPattern

    /// Splits `range` of the text; the bytes outside it have no influence.
    init(_ text: UnsafeBufferPointer<UInt8>, in range: Range<Int>, by pattern: WordPattern = .gpt2) {
        self.text = UnsafeBufferPointer(rebasing: text[..<range.upperBound])
        self.pattern = pattern
        start = range.lowerBound
        limit = range.upperBound
        end = pattern == .singleDigits ? start : limit
    }

    mutating func next() -> Range<Int>? {
        guard start < limit else { return nil }
        let wordEnd: Int
        switch pattern {
        case .gpt2: wordEnd = endOfWord()
        case .singleDigits:
            if start == end { end = endOfPiece() }
            wordEnd = endOfWord()
        case .llama3: wordEnd = endOfMarkedWord(digits: 3)
        case .qwen2: wordEnd = endOfMarkedWord(digits: 1)
        }
        defer { start = wordEnd }
        return start..<wordEnd
    }

    @inline(__always)
    private func endOfWord() -> Int {
        if text[start] == UInt8(ascii: "'"), let end = endOfContraction() { return end }
        let first = ScalarClass.next(in: text, at: start)
        if first.kind != .space { return endOfRun(first.kind, from: start + first.length) }
        if text[start] == UInt8(ascii: " "), start + 1 < end {
            let second = ScalarClass.next(in: text, at: start + 1)
            if second.kind != .space { return endOfRun(second.kind, from: start + 1 + second.length) }
        }
        return endOfSpace(firstLength: first.length)
    }

    @inline(__always)
    private func endOfRun(_ kind: ScalarClass, from position: Int) -> Int {
        var position = position
        while position < end {
            let next = ScalarClass.next(in: text, at: position)
            guard next.kind == kind else { break }
            position += next.length
        }
        return position
    }

    /// The end of white space: without its last scalar if a word follows, which may begin with that scalar.
    private func endOfSpace(firstLength: Int) -> Int {
        var position = start + firstLength
        var lastStart = start
        while position < end {
            let next = ScalarClass.next(in: text, at: position)
            guard next.kind == .space else { return lastStart > start ? lastStart : position }
            lastStart = position
            position += next.length
        }
        return position
    }

    /// The end of a single digit, or of the text up to the next digit.
    private func endOfPiece() -> Int {
        let first = ScalarClass.next(in: text, at: start)
        var position = start + first.length
        guard first.kind != .number else { return position }
        while position < limit {
            let next = ScalarClass.next(in: text, at: position)
            guard next.kind != .number else { break }
            position += next.length
        }
        return position
    }

    private func endOfContraction(ignoringCase: Bool = false) -> Int? {
        guard start + 1 < end else { return nil }
        switch text[start + 1] | (ignoringCase ? 0x20 : 0) {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"): return follows(UInt8(ascii: "e"), ignoringCase)
        case UInt8(ascii: "l"): return follows(UInt8(ascii: "l"), ignoringCase)
        default: return nil
        }
    }

    private func follows(_ letter: UInt8, _ ignoringCase: Bool) -> Int? {
        start + 2 < end && text[start + 2] | (ignoringCase ? 0x20 : 0) == letter ? start + 3 : nil
    }
}

/// The patterns of Llama 3 (n = 3) and Qwen 2 (n = 1): the successive leftmost matches of
///
///     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
extension WordSplitter {
    private func endOfMarkedWord(digits: Int) -> Int {
        if text[start] == UInt8(ascii: "'"), let end = endOfContraction(ignoringCase: true) { return end }
        let first = ScalarClass.next(in: text, at: start), second = start + first.length
        if first.kind == .letter { return endOfRun(.letter, from: second) }
        if first.kind == .number { return endOfDigits(from: second, atMost: digits - 1) }
        if !isLineEnd(start), second < end, ScalarClass.next(in: text, at: second).kind == .letter {
            return endOfRun(.letter, from: second)
        }
        if first.kind == .other { return endOfLineEnds(from: endOfRun(.other, from: second)) }
        if text[start] == UInt8(ascii: " "), second < end, ScalarClass.next(in: text, at: second).kind == .other {
            return endOfLineEnds(from: endOfRun(.other, from: second))
        }
        return endOfLines() ?? endOfSpace(firstLength: first.length)
    }

    private func endOfDigits(from position: Int, atMost count: Int) -> Int {
        var position = position
        for _ in 0..<count where position < end {
            let next = ScalarClass.next(in: text, at: position)
            guard next.kind == .number else { break }
            position += next.length
        }
        return position
    }

    private func isLineEnd(_ position: Int) -> Bool { text[position] == UInt8(ascii: "\n") || text[position] == UInt8(ascii: "\r") }

    private func endOfLineEnds(from position: Int) -> Int {
        var position = position
        while position < end, isLineEnd(position) { position += 1 }
        return position
    }

    /// The end of white space up to and including its last line end; nil if it has none.
    private func endOfLines() -> Int? {
        var position = start, last: Int?
        while position < end {
            let next = ScalarClass.next(in: text, at: position)
            guard next.kind == .space else { break }
            position += next.length
            if isLineEnd(position - next.length) { last = position }
        }
        return last
    }
}
