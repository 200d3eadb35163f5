import ArgumentParser
import Launch
import Pipeline
import Updates

/// `accrete keys sign`: a learner's key, for some days.
struct SignKey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign",
        abstract: "Make the key with which a learner signs its updates, and let the root key vouch for it for some days.",
        discussion: """
            The learner takes a new key that is put in the place of the one before without a restart. Receivers that have seen the new one \
            believe the earlier ones no more.

            Example: accrete keys sign root --into updates --days 7
            """)

    @Argument(help: "The directory of the root key.") var root: String
    @Option(help: "The directory that the learner's security.updates names.") var into: String
    @Option(help: "How long the key is believed, in days.") var days = 7.0
    @Option(help: "The key's name, for people.") var name = "learner"

    func validate() throws { try check("--days", days, above: 0, atMost: 3_650) }

    func run() async throws {
        let learner = UpdateKeys(into)
        do {
            try UpdateKeys(root).signKey(into: learner, name: name, seconds: days * 86_400, at: WallClock().now.nanoseconds)
        } catch {
            throw StartFailure("\(error)")
        }
        print("\(learner.onlineKey): signs updates for \(days) days")
    }
}
