import Foundation

/// A summary of decisions in one line, from the gauges of fuse and learn; nil without decisions.
func decisionLine(fuse: [String: Double], learn: [String: Double]) -> String? {
    guard let decisions = fuse["decisions"], decisions > 0 else { return nil }
    func number(_ name: String) -> Double { learn[name] ?? 0 }
    return String(
        format: "%.0f decisions by policy version %.0f; learned from %.0f; %.0f with feedback, %.0f without; newest reward %.4f", decisions,
        number("policyVersion"),
        number("decisionsLearned"), number("decisionsTold"), number("decisionsUntold"), number("decisionReward"))
}
