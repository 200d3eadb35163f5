import ArgumentParser

/// What concerns models and their files.
struct Model: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Works with models: how well they predict, and how fast they learn.",
        subcommands: [
            Verify.self,
            Score.self,
        ]
    )
}
