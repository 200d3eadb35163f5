/// An event of a session: a reading of a sensor, the label of a moment, or the end of a moment.
public enum SessionEvent: Sendable, Equatable {
    case reading(Reading)
    case label(Label)
    case cut(Cut)

    public struct Reading: Sendable, Equatable {
        /// Session time of capture, in nanoseconds.
        public var time: Int64
        public var session: String
        public var source: String
        public var modality: String
        public var content: Content
        /// Whether the moment ends with this reading, for example with the last words of an utterance.
        public var endsMoment: Bool
        /// Name of the domain or task, for evaluation.
        public var domain: String?
        /// Of a pose or a picture: the coordinates that it is given in; nil: unknown.
        public var coordinates: Coordinates?
        /// Of a picture: its camera; nil: unknown.
        public var optics: Optics?
        /// The name of its consent class, as `session.jsonl` has it; nil: it names none.
        public var consent: String?

        public init(
            time: Int64, session: String, source: String, modality: String, content: Content, endsMoment: Bool = false,
            domain: String? = nil, coordinates: Coordinates? = nil, optics: Optics? = nil
        ) {
            self.time = time
            self.session = session
            self.source = source
            self.modality = modality
            self.content = content
            self.endsMoment = endsMoment
            self.domain = domain
            self.coordinates = coordinates
            self.optics = optics
        }
    }

    public enum Content: Sendable, Equatable {
        /// The path of a file inside the session's directory, which `SessionDirectory.load` reads.
        case file(String)
        case payload(RawReading)
    }

    /// The label of the moment that ends at `time`.
    public struct Label: Sendable, Equatable {
        public var time: Int64
        public var session: String
        /// 0 ..< classes.
        public var label: Int
        public var classes: Int
        /// When the label becomes known; never before `time`.
        public var knownAt: Int64
        public var domain: String?
        /// The name of its consent class; nil: it names none.
        public var consent: String?

        public init(time: Int64, session: String, label: Int, classes: Int, knownAt: Int64? = nil, domain: String? = nil) {
            self.time = time
            self.session = session
            self.label = label
            self.classes = classes
            self.knownAt = knownAt ?? time
            self.domain = domain
        }
    }

    /// The moment ends at `time`.
    public struct Cut: Sendable, Equatable {
        public var time: Int64
        public var session: String
        public var domain: String?

        public init(time: Int64, session: String, domain: String? = nil) {
            self.time = time
            self.session = session
            self.domain = domain
        }
    }

    /// Session time in nanoseconds.
    public var time: Int64 {
        switch self {
        case .reading(let reading): reading.time
        case .label(let label): label.time
        case .cut(let cut): cut.time
        }
    }

    public var session: String {
        switch self {
        case .reading(let reading): reading.session
        case .label(let label): label.session
        case .cut(let cut): cut.session
        }
    }
}

/// A rejected line of a session, or message of a recording; the others are not affected.
public struct SessionRefusal: Error, Sendable, Equatable, CustomStringConvertible {
    /// Counted from 1.
    public let line: Int
    public let refusal: SignalRefusal
    /// The name of the file.
    public let file: String

    public init(line: Int, refusal: SignalRefusal, file: String = "session.jsonl") {
        (self.line, self.refusal, self.file) = (line, refusal, file)
    }

    public var description: String { "\(file):\(line): \(refusal)" }
}
