import Statistics
import Tensors

/// Dark experience replay with labels (DER++): remembered rows are learned again, and held to the logits that they had when they were new.
///
///     loss += matchWeight · mean of (logits − logits then)² over matched rows
///
/// Buzzega et al. 2020, https://arxiv.org/abs/2004.07211
public struct DarkReplay: Strategy {
    public static let name = "der++"

    public var matchWeight = 0.5
    /// Rows drawn to be matched, as the paper has it; 0: those that are learned again are matched too, which costs half as many rows.
    public var matchRows = 0

    public init() {}

    public func validate() throws(SettingsError) {
        try requireWeight(matchWeight, "match_weight")
        try SettingsError.require((0...4096).contains(matchRows), "match_rows", "\(matchRows) is not in 0…4096")
    }

    public var replays: Bool { true }
    public var rowsBeside: Int { matchWeight > 0 ? matchRows : 0 }
    public var storesLogits: Bool { matchWeight > 0 }

    public func bind(to site: inout StrategySite) -> (any BoundStrategy)? {
        guard matchWeight > 0 else { return nil }
        let matched = HeldLogits(site.logits, in: site.graph)
        site.add(matched.distance, scale: matchWeight)
        return Bound(matched: matched, isBeside: matchRows > 0)
    }

    private final class Bound: BoundStrategy {
        private let matched: HeldLogits
        private let isBeside: Bool

        init(matched: HeldLogits, isBeside: Bool) {
            self.matched = matched
            self.isBeside = isBeside
        }

        func prepare(_ step: StrategyStep) {
            matched.clear()
            for row in isBeside ? step.beside : step.recalled where !row.logits.isEmpty { matched.set(row.place, row.logits) }
        }
    }
}

/// What a term is multiplied with.
func requireWeight(_ value: Double, _ key: String) throws(SettingsError) {
    try SettingsError.require(value >= 0 && value <= 1e9, key, "\(value) is not in 0…1e9")
}
