import Schema
import Statistics

/// Chooses which of a modality's frames make up a moment.
protocol AlignmentPolicy: Sendable {
    /// - Parameter end: the end of the moment, in session time.
    static func choose(from frames: AlignmentFrames, at end: Int64) -> [MomentAligner.Arrival]
}

/// The policies by the name that a configuration uses.
let alignmentPolicies: KeyValuePairs<String, any AlignmentPolicy.Type> = [
    "concatenate": Concatenated.self,
    "latest": Latest.self,
    "nearest": Nearest.self,
    "exact": Nearest.self,
    "interpolated": Interpolated.self,
]

/// A modality's frames around the end of a moment, in event time.
struct AlignmentFrames {
    /// After the moment's start, up to its end.
    var within: [MomentAligner.Arrival]
    /// After its end, as far as they have arrived while it waits. The next moment has them too.
    var beyond: [MomentAligner.Arrival]
}

/// All frames, one after another: text, audio.
enum Concatenated: AlignmentPolicy {
    static func choose(from frames: AlignmentFrames, at end: Int64) -> [MomentAligner.Arrival] { frames.within }
}

/// The newest frame.
enum Latest: AlignmentPolicy {
    static func choose(from frames: AlignmentFrames, at end: Int64) -> [MomentAligner.Arrival] { frames.within.suffix(1) }
}

/// The frame nearest to the end, before or after it; of two equally near, the earlier. `exact` is nearest within a tolerance of 0.
enum Nearest: AlignmentPolicy {
    static func choose(from frames: AlignmentFrames, at end: Int64) -> [MomentAligner.Arrival] {
        guard let before = frames.within.last else { return Array(frames.beyond.prefix(1)) }
        guard let after = frames.beyond.first else { return [before] }
        return [end.clampedSubtracting(before.frame.time) <= after.frame.time.clampedSubtracting(end) ? before : after]
    }
}

/// Linear interpolation, at the end, between the newest frame before it and the next frame of the same source after it. Without a later
/// frame the newest is used: nothing is extrapolated.
enum Interpolated: AlignmentPolicy {
    static func choose(from frames: AlignmentFrames, at end: Int64) -> [MomentAligner.Arrival] {
        guard let before = frames.within.last else { return Array(frames.beyond.prefix(1)) }
        let after = frames.beyond.first { $0.frame.source == before.frame.source && $0.values.count == before.values.count }
        guard let after, after.frame.time > before.frame.time else { return [before] }
        let past = end.clampedSubtracting(before.frame.time), gap = after.frame.time.clampedSubtracting(before.frame.time)
        let share = Float(Double(past) / Double(gap))
        var between = before
        between.values = zip(before.values, after.values).map { $0 + share * ($1 - $0) }
        between.frame.time = end
        between.frame.validity = min(before.frame.validity, after.frame.validity)
        between.frame.consent = before.frame.consent.orStricter(after.frame.consent)
        return [between]
    }
}
