import Applications
import ArgumentParser
import Foundation
import OnlineLanguage
import Tensors

/// What an expert tutor would reply in a chat, and the kind of the student's error, in one pass.
struct TutoringBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bridge",
        abstract: "Predicts expert tutors' replies in chats with students, and the kind of the student's error, learning in one pass.",
        discussion: """
            Reads chats in the order of the files, each a JSON list of objects with c_h (the messages so far), c_r_ (the expert's reply)
            and e (the kind of the error). A language model reads the chat, predicts the reply, in bits per byte of its text, and then
            learns it by adapters and a memory of tokens; the same model, frozen, beside it. Then the kind of error, of seven, is
            recognised from the chat's last message and the reply, and learned; and, apart from that, before the reply is known. Beside
            the model: one softmax regression on words weighed by tf-idf, which sees the same texts.

            --config replaces settings of how replies are learned, in JSON:
              \(ContinuationLearner.Configuration().json)

            Example:
              accrete-bench application bridge --model models/smollm2-135m-instruct.gguf --data ../shared/data/bridge/train.json
            """
    )

    @Option(help: ArgumentHelp("A Hugging Face directory or a GGUF file of a model with a chat format.", valueName: "path"))
    var model: String

    @Option(name: .customLong("data"), parsing: .upToNextOption, help: ArgumentHelp("Chats as JSON.", valueName: "file"))
    var files: [String]

    @Option(help: ArgumentHelp("Settings of how replies are learned, in JSON.", valueName: "json"))
    var config: String?

    @Option(help: "Read only so many chats.")
    var first: Int?

    @OptionGroup var plot: StreamPlot

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    private struct Result: Encodable {
        let bitsPerByte, bitsPerByteWithoutMemory, frozenBitsPerByte: Double
        let errorTypeAccuracy, baselineErrorTypeAccuracy: Double
        let errorTypeAccuracyBeforeReply, baselineErrorTypeAccuracyBeforeReply: Double
        let chats, replyBytes: Int
    }

    func validate() throws {
        guard first.map({ $0 > 0 }) ?? true else { throw ValidationError("--first should be at least 1.") }
    }

    func run() throws {
        let cost = RunCost(), settings = try merged(ContinuationLearner.Configuration(), config)
        let chats = Array(try files.flatMap { try TutoringChat.read(path: $0) }.prefix(first ?? .max))
        let team = Team(count: ProcessInfo.processInfo.activeProcessorCount)
        let replies = try TutoringReplies(path: model, settings, team: team)
        for chat in chats { try replies.read(chat) }
        let reader = try TextReader(path: model, limit: Self.tokenLimit, team: team)
        let kinds = ErrorKindScores(chats, vectors: reader.vectors) { chat in
            reader.read(([chat.messages.last?.text ?? ""] + chat.reply).joined(separator: "\n"))
        }
        let result = result(replies, kinds)
        try draw(replies, kinds)
        if json { return try printJSON(result) }
        print("\(result.chats) chats, replies of \(result.replyBytes) bytes; one pass")
        print(row("bits per byte of replies", ["learning", "no memory", "frozen", "ratio"]))
        let bits = [
            result.bitsPerByte, result.bitsPerByteWithoutMemory, result.frozenBitsPerByte,
            result.bitsPerByte / max(1e-9, result.frozenBitsPerByte),
        ]
        print(row("", bits.map { String(format: "%.4f", $0) }))
        print(row("kind of error", ["model", "tf-idf"]))
        func cells(_ shares: Double...) -> [String] { shares.map { String(format: "%.1f %%", 100 * $0) } }
        print(row("with the reply", cells(result.errorTypeAccuracy, result.baselineErrorTypeAccuracy)))
        print(row("before the reply", cells(result.errorTypeAccuracyBeforeReply, result.baselineErrorTypeAccuracyBeforeReply)))
        print(cost.line)
    }

    /// The maximal number of tokens that the language model reads to recognise an error.
    private static let tokenLimit = 128

    private func result(_ replies: TutoringReplies, _ kinds: ErrorKindScores) -> Result {
        Result(
            bitsPerByte: replies.learned.bitsPerByte, bitsPerByteWithoutMemory: replies.withoutMemory.bitsPerByte,
            frozenBitsPerByte: replies.baseline.bitsPerByte,
            errorTypeAccuracy: ErrorKindScores.accuracy(kinds.withReply.map { $0.model }),
            baselineErrorTypeAccuracy: ErrorKindScores.accuracy(kinds.withReply.map { $0.baseline }),
            errorTypeAccuracyBeforeReply: ErrorKindScores.accuracy(kinds.beforeReply.map { $0.model }),
            baselineErrorTypeAccuracyBeforeReply: ErrorKindScores.accuracy(kinds.beforeReply.map { $0.baseline }),
            chats: replies.course.count, replyBytes: replies.learned.bytes)
    }

    private func draw(_ replies: TutoringReplies, _ kinds: ErrorKindScores) throws {
        let parts = StreamPlot.parts(of: replies.course)
        func bits(_ name: String, _ bits: (TutoringReplies.Reply) -> Double) -> LinePlot.Curve {
            StreamPlot.curve(
                name, parts.map { part in part.reduce(0) { $0 + bits($1) } / Double(max(1, part.reduce(0) { $0 + $1.bytes })) })
        }
        let curves = [bits("learning") { $0.learned }, bits("without memory") { $0.withoutMemory }, bits("frozen") { $0.frozen }]
        let shares = [
            StreamPlot.shares("model", kinds.withReply.map { $0.model }), StreamPlot.shares("tf-idf", kinds.withReply.map { $0.baseline }),
        ]
        try plot.write([
            LinePlot(title: "experts' replies", across: "stream, %", up: "bits per byte", curves: curves, range: StreamPlot.range(curves)),
            LinePlot(title: "kind of error", across: "stream, %", up: "right, %", curves: shares, range: StreamPlot.range(shares)),
        ])
    }
}
