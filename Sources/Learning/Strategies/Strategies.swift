import Statistics
import StrictJSON

/// Every strategy, by the name that configurations use: the strategies that it combines.
public let strategies: Named<[any Strategy]> = [
    "never": [NoUpdates()],
    "always": [],  // each new row is learned, without replay or regularisation
    "er": [ExperienceReplay()],
    "der++": [DarkReplay()],
    "er-ace": [AsymmetricReplay()],
    "der-ace": [DarkReplay(), AsymmetricReplay()],
    "mir": [InterferenceReplay()],
    "lwf": [Distillation()],
    "student": [TaughtReplay()],
    "ewc": [ElasticConsolidation()],
    "proximal": [ProximalTerm()],
    "heads": [PartialLearning(scope: "heads")],
    "trunk": [PartialLearning(scope: "trunk")],
]

/// A combination of strategies, chosen by their names, as `der++, ewc`. It does everything that its parts do.
public struct StrategyMix: Sendable, Equatable {
    /// At most one strategy of each kind, in the order of the list that they were chosen from.
    public let parts: [any Strategy]

    /// - Parameters:
    ///   - names: names in the list, separated by commas.
    ///   - settings: settings that replace the defaults of the parts that have them. A setting of a strategy that is not named adds
    ///     that strategy: `er` with a `match_weight` is `der++`.
    ///   - list: the strategies by name.
    /// - Throws: `SettingsError`, if a name or a setting is unknown or invalid.
    public init(
        named names: String, settings: JSON = .object([:]), from list: Named<[any Strategy]> = strategies
    ) throws(SettingsError) {
        var chosen: [String: any Strategy] = [:]
        for name in names.split(separator: ",").map({ $0.filter { !$0.isWhitespace } }) {
            for part in try list.find(name, for: "strategy") { chosen[type(of: part).name] = part }
        }
        let known = list.flatMap(\.value)
        guard case .object(let given) = settings else { throw SettingsError("", "not a JSON object of settings") }
        for (key, value) in given.sorted(by: { $0.key < $1.key }) {
            var owners = chosen.values.filter { $0.keys.contains(key) }
            if owners.isEmpty, let other = known.first(where: { $0.keys.contains(key) }) { owners = [other] }
            try SettingsError.require(
                !owners.isEmpty, key, "unknown; there are \(Set(known.flatMap(\.keys)).sorted().joined(separator: ", "))")
            for var owner in owners {
                try owner.merge(.object([key: value]))
                chosen[type(of: owner).name] = owner
            }
        }
        var parts: [any Strategy] = []
        for name in known.map({ type(of: $0).name }) {
            if let part = chosen.removeValue(forKey: name) { parts.append(part) }
        }
        self.parts = parts
    }

    public static func == (one: Self, other: Self) -> Bool {
        one.parts.map { type(of: $0).name } == other.parts.map { type(of: $0).name } && one.parts.map(\.value) == other.parts.map(\.value)
    }

    /// Whether new rows make a step: whether all parts agree.
    public var updates: Bool { parts.allSatisfy(\.updates) }
    /// Whether remembered rows are replayed in each step.
    public var replays: Bool { parts.contains(where: \.replays) }
    /// The number of additional remembered rows in each step.
    public var additionalRows: Int { parts.map(\.additionalRows).max() ?? 0 }
    /// Whether logits are remembered with rows.
    public var storesLogits: Bool { parts.contains(where: \.storesLogits) }
    /// Whether the logits that are remembered are those of a teacher.
    public var followsTeacher: Bool { parts.contains(where: \.followsTeacher) }
    /// Whether there is a class mask.
    public var masksClasses: Bool { parts.contains(where: \.masksClasses) }
    /// Whether a parameter learns: whether it does in all parts.
    public func learns(_ parameter: String) -> Bool { parts.allSatisfy { $0.learns(parameter) } }

    /// The memory of all parts together.
    public var memory: StrategyMemory {
        parts.map(\.memory).reduce(into: StrategyMemory()) { sum, one in
            sum.learned += one.learned
            sum.weights += one.weights
            sum.newReaders += one.newReaders
            sum.candidateReaders += one.candidateReaders
        }
    }
}

extension Settings {
    /// The names of its settings, as configurations write them.
    fileprivate var keys: [String] {
        guard case .object(let settings) = value else { return [] }
        return Array(settings.keys)
    }
}
