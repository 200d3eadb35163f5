/// Why a GGUF file cannot be opened as a model or tokenizer, or a model cannot be written as one.
public struct GGUFModelError: Error, Equatable, CustomStringConvertible {
    /// The file's path.
    public let source: String
    /// What is wrong with it.
    public let problem: String

    public init(source: String, problem: String) {
        self.source = source
        self.problem = problem
    }

    public var description: String { "\(source): \(problem)" }
}
