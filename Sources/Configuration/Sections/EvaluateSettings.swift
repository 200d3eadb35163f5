import Statistics

/// How the evaluator scores moments and measures forgetting.
public struct EvaluateSettings: Codable, Sendable, Equatable {
    /// The number of moments in the windowed scores.
    public var window = 500
    /// The number of later moments for which one waits for its label before it is dropped.
    public var labelPatience = 1000
    /// Moments between two published summaries; in live mode also once a second.
    public var publishEvery = 8
    /// Live mode: seconds after which a waiting moment is not scored.
    public var maximumLatency = 2.0
    /// Live mode: how much the process gives way to others that want the processor, 0…19.
    public var niceness = 10
    /// Whether the words' likelihood is computed without each sense too.
    public var masksWords = true

    /// Every nth moment is not learned from, and kept to test domains on; 0: domains are tested on moments that were learned.
    public var holdOut = 0
    /// The number of moments of each domain that are kept to test it on later.
    public var domainSample = 100
    /// The most domains that are distinguished; later ones count as the last.
    public var maximumDomains = 32
    /// A drift detector on the loss that begins a new domain, where readings name none; empty: none.
    public var domainDetector = ""

    public init() {}

    /// Every invalid setting, by key.
    var problems: [SettingsError] {
        var problems = RangeProblems()
        problems.require("publishEvery", publishEvery, in: 1...1_000_000)
        problems.require("maximumLatency", maximumLatency, in: 0.001...86_400)
        problems.require("niceness", niceness, in: 0...19)
        problems.require("holdOut", holdOut, in: 0...1_000_000)
        problems.require("domainSample", domainSample, in: 1...100_000)
        problems.require("maximumDomains", maximumDomains, in: 1...1000)
        problems.require("window", window, in: 1...1_000_000)
        problems.require("labelPatience", labelPatience, in: 0...100_000)
        var found = problems.found
        if holdOut == 1 { found.append(SettingsError("holdOut", "1 leaves no moment to learn from; 0 holds none out")) }
        guard !domainDetector.isEmpty else { return found }
        do {
            _ = try NamedDetector(domainDetector)
        } catch {
            found.append(SettingsError("domainDetector", error.problem))
        }
        return found
    }
}
