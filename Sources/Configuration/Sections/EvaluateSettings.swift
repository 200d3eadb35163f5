import Statistics

/// What the referee remembers.
public struct EvaluateSettings: Codable, Sendable, Equatable {
    /// Moments in the windowed scores.
    public var window = 500
    /// How many later moments one waits for its label before it is scored without.
    public var labelPatience = 1000
    /// Moments between two published summaries; live: also once a second.
    public var publishEvery = 8

    /// Every so manieth moment is never learned from, and kept to test domains on; 0: domains are tested on moments that were learned.
    public var holdOut = 0
    /// Moments of each domain that are kept to test it on later.
    public var domainSample = 100
    /// Domains told apart at most; later ones count as the last.
    public var maximumDomains = 32
    /// A detector on the loss whose drift begins a new domain, where readings name none; empty: none does.
    public var domainDetector = ""

    public init() {}

    /// Every setting that makes no sense, by key.
    var problems: [(key: String, text: String)] {
        var problems = RangeProblems()
        problems.require("publishEvery", publishEvery, in: 1...1_000_000)
        problems.require("holdOut", holdOut, in: 0...1_000_000)
        problems.require("domainSample", domainSample, in: 1...100_000)
        problems.require("maximumDomains", maximumDomains, in: 1...1000)
        problems.require("window", window, in: 1...1_000_000)
        problems.require("labelPatience", labelPatience, in: 0...100_000)
        var found = problems.found
        if holdOut == 1 { found.append(("holdOut", "1 leaves no moment to learn from; 0 holds none out")) }
        guard !domainDetector.isEmpty else { return found }
        do {
            _ = try NamedDetector(domainDetector)
        } catch {
            found.append(("domainDetector", error.problem))
        }
        return found
    }
}
