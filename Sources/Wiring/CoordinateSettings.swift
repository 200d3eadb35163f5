import Statistics

/// The coordinates that poses and pictures are given in.
public struct CoordinateSettings: Codable, Sendable, Equatable {
    /// The handedness that a reading which says its own must have.
    public var handedness = Handedness.any

    public enum Handedness: String, Choice {
        case any, right, left
    }

    public init() {}
}
