import ArgumentParser
import Files
import Foundation
import Learning
import Memory
import Model
import Statistics
import StrictJSON
import Tensors

/// `accrete model teach`: teaches a language model facts, one sentence each, and measures what it knows afterwards.
struct Teach: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Teach a language model facts by one correction each, and measure what it knows and whether it forgot anything.",
        discussion: """
            For every fact the model is asked first; then the right answer is given once, as a user's correction. At the end all questions \
            are asked again, each in a fresh conversation, and other ways to ask them too, and another text is read before and after.

            What was corrected is recalled when a similar question comes (memory), and learned by low-rank adapters of all projections \
            (weights); the answers by either alone are measured as well. The model's own weights stay as they are, and answer alone \
            whatever is like no correction; weightsOnly states what the adapters would do to the other text if they were used everywhere.

            --facts is a file with a JSON object on each line: ask, answer, key, again. An answer is right if it contains the key; again is \
            a list of other ways to ask.

            --json prints facts, before and after (right answers), afterParaphrased (share of the other ways to ask), \
            textBitsPerByteBefore, textBitsPerByteAfter, textBytes, secondsPerFact, and memoryOnly and weightsOnly with the same of either.

            Example:
              accrete model teach --model model.gguf --facts facts.jsonl --text book.txt --json
            """)

    @Option(help: modelHelp)
    var model: String

    @Option(help: ArgumentHelp("The facts, a JSON object on each line.", valueName: "file"))
    var facts: String

    @Option(help: ArgumentHelp("Another text, which shows whether anything was forgotten.", valueName: "file"))
    var text: String

    @Option(help: ArgumentHelp("The bytes of the text that are read, from its beginning.", valueName: "n"))
    var textBytes = 1 << 16

    @Option(help: "The format of conversations, chatml or llama3; without it, the model's own.")
    var format: ChatFormat?

    @Option(help: ArgumentHelp("The maximal number of steps for each fact.", valueName: "n"))
    var steps = CorrectionLearner.Configuration().steps

    @Option(help: "The learning rate of the adapters.")
    var rate = CorrectionLearner.Configuration().rate

    @Option(help: "The seed of the adapters' initial values and of what is learned again.")
    var seed = 1

    @Flag(help: "Print one JSON object at the end.")
    var json = false

    func validate() throws {
        try check("--text-bytes", textBytes, within: 1...textLimit)
        try check("--steps", steps, within: 1...1_000)
        try check("--rate", rate, within: 0...1)
        try check("--seed", seed, within: 0...Int.max)
    }

    func run() throws {
        let facts = try Fact.read(self.facts)
        let text = Array(try readText(self.text).prefix(textBytes))
        var configuration = CorrectionLearner.Configuration()
        (configuration.steps, configuration.rate, configuration.seed) = (steps, rate, seed)
        let teacher = try LanguageTeacher(
            path: model, format: format, configuration, team: Team(count: ProcessInfo.processInfo.activeProcessorCount))
        report("Reading \(text.count) bytes of \(self.text).")
        let textBefore = try bits(teacher, text, [])
        var before = 0, seconds = 0.0
        for (number, fact) in facts.enumerated() {
            let given = try teacher.answer(fact.ask) ?? ""
            if given.contains(fact.key) { before += 1 }
            let start = ContinuousClock.now
            let outcome = try teacher.learn(Correction(question: fact.ask, answer: fact.answer, source: self.facts))
            seconds += start.duration(to: .now) / .seconds(1)
            let loss = outcome.map { String(format: "loss %.2f -> %.2f in %d steps", $0.before, $0.after, $0.steps) } ?? "not learned"
            report("\(number + 1) of \(facts.count): \(printable(fact.ask)) \(printable(String(given.prefix(80)))) (\(loss))")
        }
        let all = try ask(teacher, facts, [.memory, .weights])
        let memory = try ask(teacher, facts, .memory), weights = try ask(teacher, facts, .weights)
        let textAfter = try bits(teacher, text, [.memory, .weights]), textByWeights = try bits(teacher, text, .weights)
        let result = JSON.object([
            "facts": .integer(facts.count), "before": .integer(before), "after": .integer(all.right),
            "afterParaphrased": .number(all.paraphrased), "textBitsPerByteBefore": .number(textBefore),
            "textBitsPerByteAfter": .number(textAfter), "textBytes": .integer(text.count),
            "secondsPerFact": .number(seconds / Double(facts.count)),
            "memoryOnly": memory.json(text: textBefore), "weightsOnly": weights.json(text: textByWeights),
        ])
        if json { return print(result.text()) }
        print(
            String(
                format:
                    "%d facts: %d known before, %d after (memory alone %d, weights alone %d); asked in other ways %.0f %% (%.0f, %.0f).",
                facts.count, before, all.right, memory.right, weights.right, 100 * all.paraphrased, 100 * memory.paraphrased,
                100 * weights.paraphrased))
        print(
            String(
                format: "The other text: %.4f -> %.4f bits per byte. %.1f s a fact.", textBefore, textAfter, seconds / Double(facts.count)))
    }

    private struct Result {
        var right = 0
        var paraphrased = 1.0

        func json(text: Double) -> JSON {
            .object([
                "after": .integer(right), "afterParaphrased": .number(paraphrased), "textBitsPerByteAfter": .number(text),
            ])
        }
    }

    private func ask(_ teacher: LanguageTeacher, _ facts: [Fact], _ means: LanguageTeacher.Means) throws -> Result {
        var result = Result(), asked = 0, right = 0
        for fact in facts {
            if try teacher.answer(fact.ask, by: means)?.contains(fact.key) == true { result.right += 1 }
            for question in fact.again {
                asked += 1
                if try teacher.answer(question, by: means)?.contains(fact.key) == true { right += 1 }
            }
        }
        if asked > 0 { result.paraphrased = Double(right) / Double(asked) }
        return result
    }

    private func bits(_ teacher: LanguageTeacher, _ text: [UInt8], _ means: LanguageTeacher.Means) throws -> Double {
        try teacher.likelihood(of: text, by: means, window: Self.window).bitsPerByte
    }

    /// The tokens of a window in which the other text is read.
    private static let window = 512

    private func report(_ line: String) {
        if !json { StandardError.write(line + "\n") }
    }
}

/// A fact of the file.
private struct Fact {
    var ask: String, answer: String, key: String
    var again: [String]

    /// The maximal number of facts.
    private static let limit = 100_000

    static func read(_ path: String) throws -> [Fact] {
        let lines = try readText(path).split(separator: UInt8(ascii: "\n")).filter { !$0.allSatisfy { $0 <= UInt8(ascii: " ") } }
        guard !lines.isEmpty else {
            throw ValidationError("\(path) has no facts; each line is a JSON object with ask, answer, key, again.")
        }
        guard lines.count <= limit else { throw ValidationError("\(path) has \(lines.count) facts, more than \(limit).") }
        return try lines.enumerated().map { number, line in
            func refuse(_ problem: String) -> ValidationError { ValidationError("\(path), fact \(number + 1): \(problem)") }
            let json: JSON
            do { json = try JSON(parsing: line) } catch { throw refuse("\(error)") }
            func text(_ key: String) throws -> String {
                guard let text = json[key]?.string, !text.isEmpty else { throw refuse("\(key) is missing or not a text with letters.") }
                return text
            }
            let again = json["again"] ?? .array([])
            guard let questions = again.array?.compactMap(\.string), questions.count == again.array?.count, !questions.contains("") else {
                throw refuse("again is not a list of questions.")
            }
            return Fact(ask: try text("ask"), answer: try text("answer"), key: try text("key"), again: questions)
        }
    }
}
