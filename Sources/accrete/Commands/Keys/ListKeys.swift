import ArgumentParser
import Launch
import Messaging
import StrictJSON

/// `accrete keys list`: who may connect.
struct ListKeys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the keys whose owners may connect.")

    @Flag(help: "Print a JSON array.") var json = false
    @OptionGroup var keys: KeyDirectoryOption

    func run() async throws {
        let allowed: [AllowedKey]
        do {
            allowed = try KeyDirectory(keys.directory).allowed()
        } catch {
            throw StartFailure("\(error)")
        }
        if json { return print(JSON.array(allowed.map(\.json)).text(indent: 2)) }
        for key in allowed {
            let roles = key.roles.map(\.rawValue).sorted().joined(separator: ",")
            print("\(key.name)  \(roles)  \(key.sources.sorted().joined(separator: ","))  \(key.publicKey)")
        }
    }
}
