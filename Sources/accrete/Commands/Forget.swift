import ArgumentParser
import Configuration
import Deployment
import Files
import Forgetting
import Foundation
import Launch
import Pipeline
import Privacy

/// `accrete forget`: forgets a source, a session or a person, with the graph stopped.
struct Forget: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Forget a source, a session or a person, and make the model anew without it.",
        discussion: """
            The graph has stopped, and its journal (journal.directory) has everything that it took. The journals are written anew without \
            what is forgotten, and the model is made anew by replaying what is left in lockstep, from the newest checkpoint before it or \
            from the model before the first moment: it is the one, to the bit, of a run that never saw it. The checkpoint, with replay \
            memory, texts, corrections and sessions' adapters, and the recalled labels are replaced; then the old files are removed.

            --dry-run says what it takes. A command that is killed leaves the old or the new: the next start of the graph, or of this \
            command, completes or removes what it finds, and forgetting.json of the run says which.

            While a graph runs, `accrete order --forget SESSION` and `accrete reset` undo less: what the model has learned stays in it.

            Examples:
              accrete forget --session kitchen --run runs/live --dry-run
              accrete forget --source camera --run runs/live --yes
              accrete forget --person ada --run runs/live --yes        as privacy.persons names her sources and sessions
            """)

    @Option(help: "Forget what this source has sent.") var source: String?
    @Option(help: "Forget this session.") var session: String?
    @Option(help: "Forget this person's sources and sessions, as the setting privacy.persons names them.") var person: String?
    @Option(name: .customLong("run"), help: "The directory of the run.") var directory: String
    @Flag(help: "Say what would be done, and how long it takes; change nothing.") var dryRun = false
    @Flag(help: "Do not ask.") var yes = false
    @Flag(help: "Print the outcome as JSON.") var json = false

    func validate() throws {
        guard [source, session, person].compactMap(\.self).count == 1 else {
            throw ValidationError("Give one of --source, --session, --person.")
        }
    }

    func run() throws {
        do {
            try forget()
        } catch let failure as StartFailure {
            throw failure
        } catch {
            throw StartFailure("\(error)")
        }
    }

    private func forget() throws {
        let file = "\(directory)/settings.yaml"
        guard fileExists(file) else { throw StartFailure("\(directory) is no directory of a run: it has no settings.yaml") }
        let settings = try StageArguments.load(file, [], as: GraphSettings.self)
        let lock = try DirectoryLock(directory)
        defer { _ = lock }
        try ForgettingChange(of: directory)?.finish()
        let forgetting = try ExactUnlearning(settings, directory: directory, try subject(settings.privacy), clock: MonotonicClock())
        let plan = try forgetting.plan()
        guard plan.forgotten > 0 else { throw StartFailure("the journal has no record of \(named)") }
        let seconds = try forgetting.estimate(plan)
        if !json || dryRun { print(text(of: plan, seconds)) }
        if dryRun { return }
        guard yes || asked() else { return }
        let result = try forgetting.run(plan)
        if json {
            let values: [String: String] = ["sha256": result.digest, "forgotten": "\(result.forgotten)", "moments": "\(result.moments)"]
            return print(String(decoding: try JSONEncoder().encode(values), as: UTF8.self))
        }
        print("forgot \(result.forgotten) records of \(named); \(result.moments) moments were made anew")
        print("the parameters' SHA-256 is \(result.digest)")
    }

    private func subject(_ settings: PrivacySettings) throws(StartFailure) -> ForgottenSubject {
        if let source { return ForgottenSubject(sources: [source]) }
        if let session { return ForgottenSubject(sessions: [session]) }
        guard let subject = ForgottenSubject(person: person ?? "", settings) else {
            throw StartFailure("privacy.persons names no '\(printable(person ?? ""))'")
        }
        return subject
    }

    private var named: String { printable(source ?? session ?? person ?? "") }

    private func text(of plan: ExactUnlearning.Plan, _ seconds: Double) -> String {
        var lines = [
            "\(plan.forgotten) of \(plan.records) records of the journal are of \(named), the first is \(plan.first);"
                + " sessions: \(plan.sessions.sorted().map { printable($0) }.joined(separator: ", "))",
            "the model is made anew from "
                + (plan.checkpoint.map { "\(printable($0)), which has seen \(plan.known) moments" } ?? "the state before the first moment")
                + ", by replaying \(plan.replayed) records: about \(seconds < 90 ? "\(Int(seconds.rounded(.up))) seconds" : "\(Int((seconds / 60).rounded(.up))) minutes")",
        ]
        if plan.checkpoint == nil, plan.begins > 1 {
            lines.append("the journal begins with record \(plan.begins): what was learned from earlier ones is forgotten too")
        }
        if plan.damaged > 0 { lines.append("\(plan.damaged) damaged places of the journal are passed over") }
        return lines.joined(separator: "\n")
    }

    private func asked() -> Bool {
        print("This cannot be undone. Go on? [y/N] ", terminator: "")
        return ["y", "yes"].contains(readLine()?.lowercased() ?? "")
    }
}
