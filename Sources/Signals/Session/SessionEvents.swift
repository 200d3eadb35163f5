/// The events of a session in order, each or the reason why its line is none.
public struct SessionEvents: Sequence, IteratorProtocol {
    private typealias Numbered = (line: Int, result: Result<SessionEvent, SignalRefusal>)

    /// How far to look for the line after a line.
    private let lookahead = 16
    private let maximumLineBytes: Int
    private var lines: LineReader
    private var number = 0
    private var waiting: [Numbered] = []
    private var latest = Int64.min

    init(lines: LineReader, maximumLineBytes: Int) {
        self.lines = lines
        self.maximumLineBytes = maximumLineBytes
    }

    public mutating func next() -> Result<SessionEvent, SessionRefusal>? {
        guard !waiting.isEmpty || readOn() else { return nil }
        let (line, result) = waiting[0]
        switch result {
        case .success(let event) where isOutOfOrder(event):
            waiting.removeFirst()
            let refusal = SignalRefusal(.timeRunsBack, "t is \(Double(event.time) / 1e9), out of order with the lines around it")
            return .failure(SessionRefusal(line: line, refusal: refusal))
        case .success(let event):
            waiting.removeFirst()
            latest = event.time
            return .success(event)
        case .failure(let refusal):
            waiting.removeFirst()
            return .failure(SessionRefusal(line: line, refusal: refusal))
        }
    }

    /// Of two neighbours in the wrong order, the later is refused if it lies before all that was read, else the earlier:
    /// one wrong time costs one line, even when it lies in the far future.
    private mutating func isOutOfOrder(_ event: SessionEvent) -> Bool {
        guard event.time >= latest else { return true }
        var index = 1
        while index < lookahead, index < waiting.count || readOn() {
            if case .success(let successor) = waiting[index].result { return successor.time < event.time && successor.time >= latest }
            index += 1
        }
        return false
    }

    /// Reads one more line that is not empty.
    private mutating func readOn() -> Bool {
        while let line = lines.next() {
            number += 1
            switch line {
            case .tooLong(let bytes):
                waiting.append((number, .failure(SignalRefusal(.tooLarge, "a line of \(bytes) bytes, at most \(maximumLineBytes) (maximumLineBytes)"))))
            case .whole(let bytes):
                if bytes.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\r") }) { continue }
                waiting.append((number, Result { () throws(SignalRefusal) in try SessionLine(json: bytes).event() }))
            }
            return true
        }
        return false
    }
}
