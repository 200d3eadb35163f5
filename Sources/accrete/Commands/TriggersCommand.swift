import ArgumentParser
import Foundation
import Launch
import Learn
import Learning

/// `accrete triggers`: prints the ledger of a learner's trigger rules.
struct TriggersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "triggers",
        abstract: "Show when and why a learner's trigger rules fired or did not, at what cost, and with what effect.",
        discussion: """
            Reads the ledger next to the newest checkpoint of a run. Costs are in optimiser steps; the losses before and after are those of
            the learner on recent moments, in nats per label. Times are in seconds by the clock of the stream. Consecutive evaluations of a
            rule that did not fire are shown as one line.

            Examples:
              accrete triggers
              accrete triggers runs/kitchen --fired
              accrete triggers runs/kitchen --json
            """)

    @Argument(help: "The directory of the run; with --outside it is runs/live.") var directory = "runs/default"
    @Flag(help: "Show only rules that fired.") var fired = false
    @Flag(help: "Print one JSON object on each line.") var json = false

    func run() throws {
        let places = ["\(directory)/checkpoint/\(LedgerFile.name)", "\(directory)/\(LedgerFile.name)"]
        guard let path = places.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
            throw StartFailure(
                """
                there is no ledger in \(directory); give the directory printed by `accrete up` (runs/live with --outside), after the first \
                checkpoint was written
                """)
        }
        let entries = try LedgerFile.read(path).filter { !fired || $0.verdict != .quiet }
        if json { return print(LedgerFile.text(of: entries), terminator: "") }
        if entries.isEmpty { print("no entries yet; rules are configured under learn.triggers") }
        for entry in entries { print(Self.line(entry)) }
    }

    static func line(_ entry: TriggerEntry) -> String {
        func number(_ value: Double?) -> String { value.map { String(format: "%.4g", $0) } ?? "none" }
        let time = String(format: "%10.2f s  ", Double(secondsIn: entry.time)), rule = printable(entry.rule)
        var text = time + rule.padding(toLength: max(14, rule.count), withPad: " ", startingAt: 0) + " \(entry.verdict.rawValue)"
        if entry.evaluations > 1 { text += " ×\(entry.evaluations)" }
        text += ", signal \(number(entry.signal))"
        guard entry.verdict == .fired else { return text }
        text += ", \(entry.action.rawValue)"
        if let note = entry.note { text += ": \(printable(note))" }
        if let cost = entry.cost { text += ", cost \(number(cost))" }
        if entry.before != nil || entry.after != nil { text += ", loss \(number(entry.before)) → \(number(entry.after))" }
        return text
    }
}
