import ArgumentParser

/// The operator's command.
@main struct Accrete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accrete",
        abstract: "Keeps a multimodal language model learning from live sensors.",
        version: "0.1.0",
        subcommands: [
            Drift.self,
            Model.self,
            Tokenize.self,
        ]
    )
}
