import ArgumentParser
import Files
import Memory

/// The option of commands that remember texts from one run to the next.
struct RememberOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A memory of texts that takes part in predictions: read if the file is there, and written at the end.", valueName: "file"))
    var remember: String?

    /// The greatest size of the file, in bytes: as many tokens as a memory may have, with their sources, and a gate.
    private static let limit = 1 << 28

    /// Reads the memory; an empty one where the file is not there, nil without the option.
    /// - Throws: `FileError`, also where it could not be written at the end, or `ValidationError` for a file that is no memory of this model.
    func open(vocabularySize: Int, _ configuration: TokenMemory.Configuration = .init()) throws -> TokenMemory? {
        guard let remember else { return nil }
        try checkReplaceable(remember)
        guard fileExists(remember) else { return TokenMemory(vocabularySize: vocabularySize, configuration) }
        let bytes = try readFile(remember, atMost: Self.limit)
        do {
            return try TokenMemory(bytes, vocabularySize: vocabularySize, configuration)
        } catch {
            throw ValidationError("\(remember): \(error). Give --remember a file that this model wrote, or a new one.")
        }
    }

    /// Writes the memory.
    /// - Throws: `FileError`.
    func save(_ memory: TokenMemory?) throws {
        guard let remember, let memory else { return }
        try replaceFile(at: remember) { append in try memory.state.withUnsafeBytes(append) }
    }
}

extension TokenMemory {
    /// Remembers a text of its own.
    mutating func keep(_ tokens: some Sequence<Int>) {
        endSequence()
        for token in tokens where (0..<vocabularySize).contains(token) { learn(token) }
        endSequence()
    }
}
