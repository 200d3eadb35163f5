import Statistics

/// How updates of the model are written.
public enum UpdateCoding: String, Choice {
    /// Every update has all parameters.
    case whole
    /// Updates have what changed, bit for bit.
    case exact
    /// Updates have the differences in float16. What it leaves out is part of the next difference.
    case float16
    /// Updates have the differences in 8 bits, with a scale for each 256 of them. What it leaves out is part of the next difference.
    case int8

    /// Whether receivers have other numbers than the learner.
    public var isLossy: Bool { self == .float16 || self == .int8 }
}
