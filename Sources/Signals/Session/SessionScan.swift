import Statistics

/// Counts of a session's contents, from one pass over its events; the files that they name are not opened.
public struct SessionScan: Sendable, Equatable {
    /// The number of readings, by modality.
    public private(set) var readings: [String: Int] = [:]
    /// The names of the sessions; at most 65,536 are kept.
    public private(set) var sessions: Set<String> = []
    /// The names of the domains; at most 65,536 are kept.
    public private(set) var domains: Set<String> = []
    public private(set) var labels = 0
    /// The greatest number of classes given with a label; 0 without labels.
    public private(set) var classes = 0
    public private(set) var cuts = 0
    /// Time of the first and the last event, in nanoseconds.
    public private(set) var first: Int64?
    public private(set) var last: Int64?
    /// The number of rejected lines, by reason.
    public private(set) var refusals: [String: Int] = [:]

    /// Nanoseconds from the first event to the last, including pauses; steps back in time count as zero.
    public private(set) var duration: Int64 = 0

    private static let maximumNames = 65_536

    /// Counts what events are of.
    public init(_ events: some Sequence<Result<SessionEvent, SessionRefusal>>) {
        for result in events {
            switch result {
            case .success(let event): count(event)
            case .failure(let refusal): count(refusal)
            }
        }
    }

    private mutating func count(_ event: SessionEvent) {
        first = first ?? event.time
        duration = duration.clampedAdding(max(0, event.time.clampedSubtracting(last ?? event.time)))
        last = event.time
        if sessions.count < Self.maximumNames { sessions.insert(event.session) }
        let domain: String?
        switch event {
        case .reading(let reading):
            readings[reading.modality, default: 0] += 1
            domain = reading.domain
        case .label(let label):
            labels += 1
            classes = max(classes, label.classes)
            domain = label.domain
        case .cut(let cut):
            cuts += 1
            domain = cut.domain
        }
        if let domain, domains.count < Self.maximumNames { domains.insert(domain) }
    }

    private mutating func count(_ refusal: SessionRefusal) {
        refusals[refusal.refusal.reason.rawValue, default: 0] += 1
    }
}

extension SessionDirectory {
    /// Reads all lines once and counts their contents.
    /// - Throws: `missingFile` if there is no session.jsonl.
    public func scan() throws(SignalRefusal) -> SessionScan { SessionScan(try events()) }
}
