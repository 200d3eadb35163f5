import Foundation

/// What a model has revealed about any one unit so far: every step that was, or may have been, released.
public struct PrivacyLedger: Codable, Sendable, Equatable {
    /// What it is about. What was counted for one unit says nothing about another.
    public let unit: PrivateLearningSettings.Unit
    /// The steps, also those that reveal nothing about a unit that an earlier one has been in.
    public private(set) var steps: UInt64 = 0
    private var accountant = PrivacyAccountant()

    public init(unit: PrivateLearningSettings.Unit) { self.unit = unit }

    /// Counts a step.
    /// - Parameter mechanism: what it reveals; nil where each unit that is in it is in no other that was counted.
    public mutating func count(_ mechanism: SampledGaussian?) {
        steps = steps.addingReportingOverflow(1).overflow ? .max : steps + 1
        if let mechanism { accountant.add(mechanism) }
    }

    /// ε for a δ between 0 and 1; infinite where no bound holds.
    public func epsilon(delta: Double) -> Double { (try? accountant.spent(delta: delta).epsilon) ?? .infinity }

    /// What it amounts to, in words.
    public func statement(delta: Double) -> String {
        "private: epsilon \(String(format: "%.3f", epsilon(delta: delta))) at delta \(delta) for each \(unit.rawValue)"
    }
}
