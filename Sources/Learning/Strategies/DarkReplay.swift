import Statistics
import Tensors

/// Dark experience replay with labels (DER++): remembered rows are replayed, and their logits are regularised towards those that they
/// had when they were new.
///
///     loss += matchWeight · mean of (logits − stored logits)² over matched rows
///
/// Buzzega et al. 2020, https://arxiv.org/abs/2004.07211
public struct DarkReplay: Strategy {
    public static let name = "der++"

    /// The weight of the term.
    public var matchWeight = 0.5
    /// The number of rows drawn for the term only, as in the paper; 0: the replayed rows are used, which halves the number of rows.
    public var matchRows = 0

    public init() {}

    public func validate() throws(SettingsError) {
        try requireWeight(matchWeight, "match_weight")
        try SettingsError.require((0...4096).contains(matchRows), "match_rows", "\(matchRows) is not in 0…4096")
    }

    public var replays: Bool { true }
    public var additionalRows: Int { matchWeight > 0 ? matchRows : 0 }
    public var storesLogits: Bool { matchWeight > 0 }

    public func bind(to site: inout StrategySite) -> (any BoundStrategy)? {
        guard matchWeight > 0 else { return nil }
        let matched = HeldLogits(site.logits, in: site.graph)
        site.add(matched.distance, scale: matchWeight)
        return Bound(matched: matched, usesAdditionalRows: matchRows > 0)
    }

    private final class Bound: BoundStrategy {
        private let matched: HeldLogits
        private let usesAdditionalRows: Bool

        init(matched: HeldLogits, usesAdditionalRows: Bool) {
            self.matched = matched
            self.usesAdditionalRows = usesAdditionalRows
        }

        func prepare(_ step: StrategyStep) {
            matched.clear()
            let rows = usesAdditionalRows ? step.additional : step.recalled
            for row in rows where !row.logits.isEmpty { matched.set(row.place, row.logits) }
        }
    }
}

/// Checks the weight of a term.
func requireWeight(_ value: Double, _ key: String) throws(SettingsError) {
    try SettingsError.require(value >= 0 && value <= 1e9, key, "\(value) is not in 0…1e9")
}
