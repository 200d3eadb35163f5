import ArgumentParser

/// `accrete model`: commands for models and their files.
struct Model: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Verify, train, teach, merge and score models, or let them learn a text online.",
        subcommands: [
            Verify.self,
            Train.self,
            Merge.self,
            Score.self,
            Stream.self,
            Teach.self,
        ]
    )
}
