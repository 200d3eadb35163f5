import ArgumentParser
import Foundation
import Launch
import Learn
import Learning

/// `accrete triggers`: the ledger of a learner.
struct TriggersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "triggers", abstract: "Show why a learner's rules fired or did not, what it cost, and what it changed.",
        discussion: """
            Reads the ledger beside the newest checkpoint of a run. Costs are optimiser steps; before and after are the learner's loss on recent
            moments, in nats a label. Times are those of the stream, in seconds. A row of quiet evaluations of one rule is one line.

            Examples:
              accrete triggers
              accrete triggers runs/kitchen --fired
              accrete triggers runs/kitchen --json
            """)

    @Argument(help: "The directory of the run.") var directory = "runs/default"
    @Flag(help: "Leave out evaluations that stayed quiet.") var fired = false
    @Flag(help: "One JSON object a line.") var json = false

    func run() throws {
        let places = ["\(directory)/checkpoint/\(LedgerFile.name)", "\(directory)/\(LedgerFile.name)"]
        guard let path = places.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
            throw StartFailure("\(directory) holds no ledger; give the directory that `accrete up` named, after its first checkpoint")
        }
        let entries = try LedgerFile.read(path).filter { !fired || $0.verdict != .quiet }
        if json { return print(LedgerFile.text(of: entries), terminator: "") }
        if entries.isEmpty { print("nothing yet; rules stand under learn.triggers in the configuration") }
        for entry in entries { print(Self.line(entry)) }
    }

    static func line(_ entry: TriggerEntry) -> String {
        func number(_ value: Double?) -> String { value.map { String(format: "%.4g", $0) } ?? "none" }
        let time = String(format: "%10.2f s  ", Double(entry.time) / 1e9), rule = printable(entry.rule)
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
