import ArgumentParser
import Launch
import Messaging

/// `accrete keys new`: a key for somebody who is to take part.
struct NewKey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new", abstract: "Make a key, and let its owner connect.",
        discussion: """
            The first key makes the directory and the graph's own key too. The file that is written holds the owner's secret: move it to \
            the owner's machine, readable by the owner only (mode 0600). Roles: publisher sends readings and feedback, subscriber \
            receives, operator gives orders to the learner and receives, stage is a process of the graph.
            """)

    @Argument(help: "The owner's name: letters, digits, - and _.") var name: String
    @Option(help: "What the owner may do: publisher, subscriber, operator or stage. Repeatable.") var role: [Role] = []
    @Option(help: "A source under which a publisher may send; without any, the name. Repeatable.") var source: [String] = []
    @Option(help: "The most messages a second; without it, as security.messageRate says.") var messages: Double?
    @Option(help: "The most bytes a second; without it, as security.byteRate says.") var bytes: Double?
    @OptionGroup var keys: KeyDirectoryOption

    func validate() throws {
        if role.isEmpty { throw ValidationError("Give --role: \(Role.allCases.map(\.rawValue).joined(separator: ", ")).") }
        if !source.isEmpty, !role.contains(.publisher) { throw ValidationError("--source is for a publisher.") }
    }

    func run() async throws {
        let sources = source.isEmpty && role.contains(.publisher) ? [name] : source
        let file: String
        do {
            file = try KeyDirectory(keys.directory).add(
                name, roles: Set(role), sources: Set(sources), messageRate: messages, byteRate: bytes)
        } catch {
            throw StartFailure("\(error)")
        }
        print("\(file): the key of \(name) (\(role.map(\.rawValue).joined(separator: ", "))); whoever has this file is \(name)")
    }
}

extension Role: ExpressibleByArgument {}
