/// What may be done with a reading, with feedback, or with what was made of them; from the strictest to the mildest.
public enum ConsentClass: String, Codable, Sendable, CaseIterable, Comparable {
    /// Predicted on, and gone.
    case notStored
    /// Learned by what belongs to its session alone, and ends with it.
    case sessionOnly
    /// Learned and kept on this machine; never part of a published model.
    case learnHere
    case share

    /// - Parameter message: as it came; a class that is unknown to this version is the strictest.
    /// - Returns: nil where none was named.
    public init?(_ message: Consent) {
        switch message {
        case .unspecified: return nil
        case .notStored, .UNRECOGNIZED: self = .notStored
        case .sessionOnly: self = .sessionOnly
        case .learnHere: self = .learnHere
        case .share: self = .share
        }
    }

    /// As messages have it.
    public var message: Consent {
        switch self {
        case .notStored: .notStored
        case .sessionOnly: .sessionOnly
        case .learnHere: .learnHere
        case .share: .share
        }
    }

    /// Whether it may be in a journal, a checkpoint, a recording or a memory that outlives its session.
    public var isKept: Bool { self >= .learnHere }

    public static func < (one: ConsentClass, other: ConsentClass) -> Bool { one.strictness > other.strictness }

    private var strictness: Int {
        switch self {
        case .notStored: 3
        case .sessionOnly: 2
        case .learnHere: 1
        case .share: 0
        }
    }
}

extension Consent {
    /// - Parameter name: of a class, as settings and sessions have it; nil: none is named. An unknown name is the strictest class.
    public init(named name: String?) { self = name.map { (ConsentClass(rawValue: $0) ?? .notStored).message } ?? .unspecified }

    /// The strictest class of several parts. Parts that name none do not count.
    public static func strictest(_ parts: some Sequence<Consent>) -> Consent {
        parts.compactMap { ConsentClass($0) }.min()?.message ?? .unspecified
    }

    /// The stricter of two.
    public func orStricter(_ other: Consent) -> Consent { .strictest([self, other]) }

    /// Whether what is of this class may be kept; without one, as before there were classes.
    public var isKept: Bool { ConsentClass(self)?.isKept ?? true }
}
