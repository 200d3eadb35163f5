/// GPT-2's pre-tokenisation: the leftmost matches of
///
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///
/// which cover the text without a gap. https://github.com/openai/gpt-2/blob/master/src/encoder.py
struct WordSplitter: Sequence, IteratorProtocol {
    private let text: UnsafeBufferPointer<UInt8>
    private var start: Int
    private let end: Int

    /// Splits `range` of the text as if it were all.
    init(_ text: UnsafeBufferPointer<UInt8>, in range: Range<Int>) {
        self.text = UnsafeBufferPointer(rebasing: text[..<range.upperBound])
        start = range.lowerBound
        end = range.upperBound
    }

    mutating func next() -> Range<Int>? {
        guard start < end else { return nil }
        let wordEnd = endOfWord()
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

    /// White space up to its last scalar if a word follows, which may want that one; else all of it.
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

    private func endOfContraction() -> Int? {
        guard start + 1 < end else { return nil }
        switch text[start + 1] {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"): return follows(UInt8(ascii: "e"))
        case UInt8(ascii: "l"): return follows(UInt8(ascii: "l"))
        default: return nil
        }
    }

    private func follows(_ letter: UInt8) -> Int? {
        start + 2 < end && text[start + 2] == letter ? start + 3 : nil
    }
}
