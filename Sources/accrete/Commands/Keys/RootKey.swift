import ArgumentParser
import Launch
import Updates

/// `accrete keys root`: the key that vouches for keys of learners.
struct RootKey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "root", abstract: "Make the root key of updates: root.key, to be kept off the network, and root.pub, for everybody.")

    @Argument(help: "The directory to write them to.") var directory: String

    func run() async throws {
        let keys = UpdateKeys(directory)
        do {
            try keys.makeRoot()
        } catch {
            throw StartFailure("\(error)")
        }
        print("\(keys.rootKey): keep it on a machine that is off the network; accrete keys sign makes learners' keys with it")
        print("\(keys.rootPublic): whoever receives updates needs it, in the directory that security.updates names")
    }
}
