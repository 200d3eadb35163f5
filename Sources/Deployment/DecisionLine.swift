import Foundation

/// How decisions go, in one line, from what fuse and learn note; nil where nothing is decided.
func decisionLine(fuse: [String: Double], learn: [String: Double]) -> String? {
    guard let decisions = fuse["decisions"], decisions > 0 else { return nil }
    func number(_ name: String) -> Double { learn[name] ?? 0 }
    return String(
        format: "%.0f decisions by policy %.0f; learned from %.0f; %.0f told of, %.0f not; reward of the newest %.4f", decisions,
        number("policyVersion"),
        number("decisionsLearned"), number("decisionsTold"), number("decisionsUntold"), number("decisionReward"))
}
