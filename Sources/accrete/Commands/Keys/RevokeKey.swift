import ArgumentParser
import Launch
import Messaging

/// `accrete keys revoke`: its owner is no longer let in.
struct RevokeKey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Take a key from the list: running processes close its connections at once.")

    @Argument(help: "The owner's name.") var name: String
    @OptionGroup var keys: KeyDirectoryOption

    func run() async throws {
        do {
            try KeyDirectory(keys.directory).revoke(name)
        } catch {
            throw StartFailure("\(error)")
        }
        print("\(name) may no longer connect")
    }
}
