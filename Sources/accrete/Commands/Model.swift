import ArgumentParser

/// What concerns models and their files.
struct Model: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Works with models: checks them, trains them, scores them, lets them learn from a text.",
        subcommands: [
            Verify.self,
            Train.self,
            Merge.self,
            Score.self,
            Stream.self,
        ]
    )
}
