import ArgumentParser

/// `accrete model`: commands for models and their files.
struct Model: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Verify, train, teach, merge, convert, compress and score models, or let them learn a text online.",
        subcommands: [
            Verify.self,
            Train.self,
            Merge.self,
            Convert.self,
            Compress.self,
            Score.self,
            Stream.self,
            Teach.self,
        ]
    )
}
