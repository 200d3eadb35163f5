import Statistics

/// Experience replay: remembered rows are learned again together with the new ones.  https://arxiv.org/abs/1902.10486
public struct ExperienceReplay: Strategy {
    public static let name = "er"

    public init() {}

    public var replays: Bool { true }
}
