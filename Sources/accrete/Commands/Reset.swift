import ArgumentParser
import Schema

/// `accrete reset`: an order that undoes what was learned.
struct Reset: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Undo what a running learner has learned: from a session, or everything.",
        discussion: """
            --all restores the state before the first moment: the parameters of version 0, to the bit, the optimiser, the remembered \
            moments, the gate, and the sessions' adapters. Policies stay. --session removes the session's remembered moments and ends its \
            adapters, so that it is answered by the shared model alone; what the shared model has learned from it stays.

            Prints the learner's answer; the exit status is 1 if the order was refused or not answered.

            Examples:
              accrete reset --session kitchen
              accrete reset --all
            """)

    @Option(help: "Undo what is kept of this session alone.") var session: String?
    @Flag(help: "Undo everything.") var all = false
    @OptionGroup var sending: OrderSending

    func validate() throws {
        guard (session != nil) != all else { throw ValidationError("Give one of --session, --all.") }
    }

    func run() async throws {
        try await sending.send(session.map { .resetSession($0) } ?? .resetAll(true))
    }
}
