import ArgumentParser
import Foundation
import Launch
import Learn
import Wiring

/// `accrete decisions`: off-policy evaluation from the decision log.
struct Decisions: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Estimate from the decision log the mean rewards of other policies.",
        discussion: """
            The log (decisions.jsonl in learn.directory, by default checkpoint/ in the directory of a run) contains observations, choices,
            their probabilities and rewards. The estimated policies are: each choice always, all choices with equal probability, a bandit
            fitted on the first half of the log and evaluated on the second, and the policy saved next to the log. The estimators are
            inverse propensity (IPS), self-normalised (SNIPS) and doubly robust (DR). A policy is reported as better if its doubly robust
            estimate exceeds the mean logged reward by more than two standard errors of the difference. For texts and controls only the
            mean logged reward of each quarter of the log is printed. The estimates use the immediate reward of each decision: where
            rewards depend on sequences of decisions (a game, balancing a pole), they do not predict the rewards of another policy.

            Example:
              accrete decisions runs/default/checkpoint --json
            """)

    @Argument(help: "The directory with decisions.jsonl.") var directory: String
    @Flag(help: "Print one JSON object and nothing else.") var json = false

    func run() throws {
        let report: DecisionReport
        do {
            report = try DecisionReport(directory: directory)
        } catch {
            throw StartFailure((error as? DecodingError).map { "\(directory)/policy.safetensors: \($0.sentence)" } ?? "\(error)")
        }
        if json { return print(try report.json) }
        print(report.text.split(separator: "\n", omittingEmptySubsequences: false).map { printable(String($0)) }.joined(separator: "\n"))
    }
}
