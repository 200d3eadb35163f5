import ArgumentParser
import Foundation
import Launch
import Learn
import Wiring

/// Which policy would earn more, told from the log before anybody switches.
struct Decisions: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell from the decision log what other policies would have earned.",
        discussion: """
            The log (decisions.jsonl in learn.directory, a run's checkpoint/) holds what was observed, chosen, how likely the choice was and what it
            earned. From it: each choice always, all choices evenly, a bandit fitted on the log's first half and judged on its second, and the policy
            that is kept beside the log, each by inverse propensity (IPS), self-normalised (SNIPS) and doubly robust (DR). A policy is called better
            where its doubly robust estimate lies above what was earned by more than two standard errors of the difference. Of texts and controls it
            tells only what was earned, quarter by quarter. Each decision is judged by
            its own reward: where rewards come of many decisions in a row (a game, a pole to be balanced), this says nothing of what another policy
            would have lived through.

            Example:
              accrete decisions runs/default/checkpoint --json
            """)

    @Argument(help: "The directory that holds decisions.jsonl.") var directory: String
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
