import Statistics

/// The events of a session in file order; for a line that is rejected, the reason.
///
/// If lines are out of time order, as few as possible within the lookahead are rejected, and never a line that begins a run of
/// `believed` lines in order. If such a run lies entirely before the events read so far, the times are taken to restart: its first event
/// has an earlier time than the event before it, and the events after it are in order again.
public struct SessionEvents: Sequence, IteratorProtocol {
    /// A line with its number, and its event or why it has none.
    public struct Numbered {
        public let line: Int
        public let result: Result<SessionEvent, SignalRefusal>

        public init(line: Int, result: Result<SessionEvent, SignalRefusal>) { (self.line, self.result) = (line, result) }

        var time: Int64? { try? result.get().time }
    }

    /// The number of lines read ahead.
    private static let lookahead = 16
    /// The length of a run of lines in order that is always accepted.
    private static let believed = 8
    private let file: String
    private var lines: any IteratorProtocol<Numbered>
    private var waiting: ArraySlice<Numbered> = []
    /// The number of neighbouring events in `waiting` that are in the wrong order.
    private var descents = 0
    private var latest = Int64.min

    /// - Parameters:
    ///   - lines: in the order of the file.
    ///   - file: its name, for messages.
    public init(_ lines: some IteratorProtocol<Numbered>, file: String) { (self.lines, self.file) = (lines, file) }

    public mutating func next() -> Result<SessionEvent, SessionRefusal>? {
        while waiting.count <= Self.lookahead, readOn() {}
        guard let first = waiting.first else { return nil }
        let isInOrder = isInOrder(first)
        remove(first)
        switch first.result {
        case .success(let event):
            guard isInOrder else {
                let refusal = SignalRefusal(.timeRunsBack, "t is \(Double(secondsIn: event.time)), out of order with the lines around it")
                return .failure(SessionRefusal(line: first.line, refusal: refusal, file: file))
            }
            latest = event.time
            return .success(event)
        case .failure(let refusal): return .failure(SessionRefusal(line: first.line, refusal: refusal, file: file))
        }
    }

    private func isInOrder(_ line: Numbered) -> Bool {
        guard let time = line.time else { return true }
        if time >= latest, descents == 0 { return true }
        let successors = waiting.dropFirst().compactMap(\.time)
        let run = [time] + zip([time] + successors, successors).prefix { $0 <= $1 }.map(\.1)
        if run.count >= Self.believed { return time >= latest || run[Self.believed - 1] < latest }
        return time >= latest && mostInOrder(successors, from: time) + 1 > mostInOrder(successors, from: latest)
    }

    /// The length of the longest non-decreasing subsequence of times not below `least`.
    /// Schensted 1961, https://doi.org/10.4153/CJM-1961-015-3
    private func mostInOrder(_ times: [Int64], from least: Int64) -> Int {
        var last: [Int64] = []  // at index n − 1: the least last time of a subsequence of length n
        for time in times where time >= least {
            var low = 0, high = last.count
            while low < high {
                let middle = (low + high) / 2
                if last[middle] > time { high = middle } else { low = middle + 1 }
            }
            if low == last.count { last.append(time) } else { last[low] = time }
        }
        return last.count
    }

    private mutating func remove(_ line: Numbered) {
        waiting.removeFirst()
        if let time = line.time, let successor = waiting.lazy.compactMap(\.time).first, successor < time { descents -= 1 }
    }

    /// Reads the next line; false at the end.
    private mutating func readOn() -> Bool {
        guard let line = lines.next() else { return false }
        if let time = line.time {
            if let before = waiting.last(where: { $0.time != nil })?.time, time < before { descents += 1 }
        }
        waiting.append(line)
        return true
    }
}

/// The lines of `session.jsonl` that are not empty.
struct SessionLines: IteratorProtocol {
    private var lines: LineReader
    private let maximumLineBytes: Int
    private let modalities: Named<any Modality.Type>
    private var number = 0

    init(_ lines: LineReader, maximumLineBytes: Int, modalities: Named<any Modality.Type>) {
        (self.lines, self.maximumLineBytes, self.modalities) = (lines, maximumLineBytes, modalities)
    }

    mutating func next() -> SessionEvents.Numbered? {
        while let line = lines.next() {
            number += 1
            switch line {
            case .tooLong(let bytes): return refused(.tooLarge, "a line of \(bytes) bytes, at most \(maximumLineBytes) (maximumLineBytes)")
            case .unreadable(let problem): return refused(.missingFile, "session.jsonl cannot be read any further: \(problem)")
            case .whole(let bytes):
                if bytes.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\r") }) { continue }
                let modalities = modalities
                return .init(line: number, result: Result { () throws(SignalRefusal) in try SessionLine(json: bytes).event(modalities) })
            }
        }
        return nil
    }

    private func refused(_ reason: SignalRefusal.Reason, _ why: String) -> SessionEvents.Numbered {
        .init(line: number, result: .failure(SignalRefusal(reason, why)))
    }
}
