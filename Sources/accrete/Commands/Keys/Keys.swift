import ArgumentParser

/// `accrete keys`: who may take part in a graph over TCP.
struct Keys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "Make, list and revoke the keys with which others connect to a graph over TCP, and those of updates.",
        discussion: """
            A graph whose setting security.keys names a directory encrypts all its TCP connections, and only owners of its keys connect.

            Examples:
              accrete keys new camera --role publisher --source front --source rear
              accrete keys new laptop --role subscriber --role operator
              accrete keys list
              accrete keys revoke camera

            Updates of the model are signed with keys that a root key vouches for:
              accrete keys root root
              accrete keys sign root --into updates --days 7
            """,
        subcommands: [NewKey.self, ListKeys.self, RevokeKey.self, RootKey.self, SignKey.self])
}

/// The directory of keys, as an option.
struct KeyDirectoryOption: ParsableArguments {
    @Option(help: "The directory of the keys, as security.keys names it.") var directory = "keys"
}
