import Statistics

/// How one modality's frames are aligned with a moment; fields that are left out have the modality's defaults.
public struct AlignmentRule: Codable, Sendable, Equatable {
    /// The modality's name.
    public var modality: String
    /// A name in `alignmentPolicies`; without one, the modality's own: of images the latest is used, everything else is concatenated and
    /// cut to the newest rows that the model takes.
    public var policy: String?
    /// Seconds from the moment's end beyond which a frame is not used; without it 0 for `exact`, unlimited for the others.
    public var tolerance: Double?
    /// Seconds that a moment waits for this modality's sources; without it, `fuse.lateness`.
    public var lateness: Double?
    /// Seconds by which a source's own readings may arrive out of order: it has passed a moment's end when its newest reading is this much
    /// later.
    public var disorder: Double?
    /// Seconds for which the latest frame of an earlier moment is used where a moment has none.
    public var hold: Double?

    public init(modality: String) {
        self.modality = modality
    }

    var problems: [String] {
        var found: [String] = []
        if let policy, !alignmentPolicies.contains(where: { $0.key == policy }) {
            found.append("\(modality): no policy is called \(policy); there are \(alignmentPolicies.map(\.key).joined(separator: ", "))")
        }
        for (key, value) in [("tolerance", tolerance), ("lateness", lateness), ("disorder", disorder), ("hold", hold)] {
            if let value, !(0...86_400).contains(value) { found.append("\(modality): \(key) \(value) is not within 0…86400") }
        }
        return found
    }
}

/// An alignment rule with all defaults filled in; times in nanoseconds.
struct Alignment: Sendable {
    let policy: String
    let tolerance: Int64
    let lateness: Int64
    let disorder: Int64
    let hold: Int64

    /// - Parameter ownPolicy: the modality's own, where no rule names one.
    init(_ modality: String, _ settings: FuseSettings, ownPolicy: String?) {
        let rule = settings.alignment.first { $0.modality == modality } ?? AlignmentRule(modality: modality)
        policy = rule.policy ?? ownPolicy ?? "concatenate"
        tolerance = rule.tolerance.map { Int64(nanosecondsIn: $0) } ?? (policy == "exact" ? 0 : .max)
        lateness = Int64(nanosecondsIn: rule.lateness ?? settings.lateness)
        disorder = Int64(nanosecondsIn: rule.disorder ?? 0)
        hold = Int64(nanosecondsIn: rule.hold ?? 0)
    }

    /// The frames that make up the moment that ends at `end`, in session time.
    /// - Parameter held: the modality's latest frame of earlier moments.
    func choose(from frames: AlignmentFrames, held: MomentAligner.Arrival?, at end: Int64) -> [MomentAligner.Arrival] {
        guard let type = alignmentPolicies.first(where: { $0.key == policy })?.value else {
            preconditionFailure("no alignment policy is called \(policy)")
        }
        // Interpolated frames have the time of the end, so the tolerance is applied to their neighbours first.
        let near = AlignmentFrames(
            within: frames.within.filter { end.clampedSubtracting($0.frame.time) <= tolerance },
            beyond: frames.beyond.filter { $0.frame.time.clampedSubtracting(end) <= tolerance })
        let chosen = type.choose(from: near, at: end)
        guard chosen.isEmpty, let held, end.clampedSubtracting(held.frame.time) <= hold else { return chosen }
        return [held]
    }
}
