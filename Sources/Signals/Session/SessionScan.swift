import Statistics

/// What a session holds, counted in one pass over its lines; files are not opened.
public struct SessionScan: Sendable, Equatable {
    /// Readings of each modality.
    public private(set) var readings: [String: Int] = [:]
    /// Names, the first so many.
    public private(set) var sessions: Set<String> = []
    public private(set) var domains: Set<String> = []
    public private(set) var labels = 0
    /// Greatest number of classes that a label names; 0 without labels.
    public private(set) var classes = 0
    public private(set) var cuts = 0
    /// Time of the first and the last event, in nanoseconds.
    public private(set) var first: Int64?
    public private(set) var last: Int64?
    /// Lines turned away, by reason.
    public private(set) var refusals: [String: Int] = [:]

    /// Nanoseconds from the first event to the last, pauses included; times that begin anew do not count back.
    public private(set) var duration: Int64 = 0

    private static let maximumNames = 65_536

    fileprivate mutating func count(_ event: SessionEvent) {
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

    fileprivate mutating func count(_ refusal: SessionRefusal) {
        refusals[refusal.refusal.reason.rawValue, default: 0] += 1
    }
}

extension SessionDirectory {
    /// Reads every line once and counts.
    /// - Throws: `missingFile` if there is no session.jsonl.
    public func scan() throws(SignalRefusal) -> SessionScan {
        var scan = SessionScan()
        for result in try events() {
            switch result {
            case .success(let event): scan.count(event)
            case .failure(let refusal): scan.count(refusal)
            }
        }
        return scan
    }
}
