import Foundation

/// Adds up what releases reveal about one element, as Rényi divergences of several orders, and states it as (ε, δ).
///
/// Divergences of one order add up over releases.  https://arxiv.org/abs/1702.07476
public struct PrivacyAccountant: Codable, Sendable, Equatable {
    /// What a budget is stated in: with probability 1 − δ, no output is more than eᵉ times as probable with an element as without it.
    public struct Spent: Codable, Sendable, Equatable {
        public var epsilon: Double
        /// The order of the divergence that gives the least ε.
        public var order: Double
    }

    /// The orders, all above 1.
    public static let orders = (11..<110).map { Double($0) / 10 } + (12..<64).map(Double.init)

    /// The divergence of each order, so far.
    private var divergences = Array(repeating: 0.0, count: Self.orders.count)
    /// The releases so far.
    public private(set) var steps: UInt64 = 0

    public init() {}

    /// Adds a number of releases.
    public mutating func add(_ mechanism: SampledGaussian, steps count: UInt64 = 1) {
        guard count > 0 else { return }
        for (place, order) in Self.orders.enumerated() { divergences[place] += Double(count) * mechanism.divergence(order: order) }
        steps = steps.addingReportingOverflow(count).overflow ? .max : steps + count
    }

    /// The least ε for a δ:
    ///
    ///     ε = min over α of ε(α) − (ln δ + ln α) / (α − 1) + ln((α − 1) / α)
    ///
    /// Source: Balle, Barthe, Gaboardi, Hsu and Sato, Hypothesis Testing Interpretations and Rényi Differential Privacy, theorem 21,
    /// https://arxiv.org/abs/1905.09982
    /// - Throws: `PrivacyError` where δ is not between 0 and 1.
    public func spent(delta: Double) throws(PrivacyError) -> Spent {
        guard delta > 0, delta < 1 else { throw PrivacyError("delta \(delta) is not between 0 and 1") }
        var least = Spent(epsilon: .infinity, order: Self.orders[0])
        if steps == 0 { return Spent(epsilon: 0, order: least.order) }
        for (order, divergence) in zip(Self.orders, divergences) {
            let epsilon = divergence - (log(delta) + log(order)) / (order - 1) + log((order - 1) / order)
            if epsilon < least.epsilon { least = Spent(epsilon: max(0, epsilon), order: order) }
        }
        return least
    }

    /// Whether a further release keeps ε within a budget.
    /// - Throws: `PrivacyError` where δ is not between 0 and 1.
    public func allows(_ mechanism: SampledGaussian, epsilon budget: Double, delta: Double) throws(PrivacyError) -> Bool {
        var next = self
        next.add(mechanism)
        return try next.spent(delta: delta).epsilon <= budget
    }

    private enum CodingKeys: CodingKey { case divergences, steps }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        divergences = try container.decode([Double].self, forKey: .divergences)
        steps = try container.decode(UInt64.self, forKey: .steps)
        guard divergences.count == Self.orders.count, divergences.allSatisfy({ $0 >= 0 }) else {
            throw DecodingError.dataCorruptedError(
                forKey: .divergences, in: container, debugDescription: "\(divergences.count) divergences for \(Self.orders.count) orders")
        }
    }
}
