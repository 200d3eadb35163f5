import Applications
import ArgumentParser
import Foundation

/// The next step of people who cook, and whether a step goes wrong, in one pass.
struct CookingBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "captaincook4d",
        abstract: "Predicts the next step of people who cook, and whether a step goes wrong, learning in one pass.",
        discussion: """
            Reads sessions in the order of the files, a JSON object a line: recipe, person and steps, each with id, start, end, text and,
            where it went wrong, errors. Steps that were left out (their start is negative) are no events. The list of a recipe's steps is
            known beforehand, as it is to whoever guides a cook; their order is not. A second row is without the list: a step that no
            session of the recipe has had is missed. Whether a step went wrong is predicted when it ends. Beside the model: what followed
            the last step so far.

            Example:
              accrete-bench application captaincook4d --data ../shared/data/captaincook4d/sessions.jsonl
            """
    )

    @Option(name: .customLong("data"), parsing: .upToNextOption, help: ArgumentHelp("Sessions as JSON lines.", valueName: "file"))
    var files: [String]

    @OptionGroup var plot: StreamPlot

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    private struct Figures: Encodable {
        let top1, top3, nll: Double

        init(_ figures: (top1: Double, top3: Double, nll: Double)) { (top1, top3, nll) = figures }

        var cells: [String] { [String(format: "%.1f %%", 100 * top1), String(format: "%.1f %%", 100 * top3), String(format: "%.3f", nll)] }
    }

    private struct Result: Encodable {
        let top1, top3, nll: Double
        let errorAveragePrecision, errorBaseRate: Double
        let steps: Int
        let withoutList, bigram, bigramWithoutList: Figures
    }

    func run() throws {
        let cost = RunCost()
        let sessions = try files.flatMap { try CookingSession.read(path: $0) }
        let book = try RecipeBook(sessions)
        var model = StepModel(book), bigram = StepBigram(book)
        let start = ContinuousClock.now
        let scores = model.read(sessions)
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let plain = bigram.read(sessions), figures = Figures(scores.figures)
        let result = Result(
            top1: figures.top1, top3: figures.top3, nll: figures.nll, errorAveragePrecision: scores.errors.averagePrecision ?? 0,
            errorBaseRate: scores.errors.baseRate ?? 0, steps: scores.steps, withoutList: Figures(scores.figuresWithoutList),
            bigram: Figures(plain.figures), bigramWithoutList: Figures(plain.figuresWithoutList))
        if plot.path != nil { try drawPlot(sessions, book) }
        if json { return try printJSON(result) }
        print("\(sessions.count) sessions with \(scores.steps) steps; one pass")
        print(row("next step", ["first", "first three", "nats"]))
        print(row("bigram", result.bigram.cells))
        print(row("model", figures.cells))
        print(row("bigram, without the list", result.bigramWithoutList.cells))
        print(row("model, without the list", result.withoutList.cells))
        print(
            String(
                format: "steps that go wrong: average precision %.3f, base rate %.3f", result.errorAveragePrecision, result.errorBaseRate))
        print(String(format: "%.0f steps a second; ", Double(scores.steps) / max(1e-9, seconds)) + cost.line)
    }

    /// The share of next steps that were predicted first, in each part of the stream, in another pass.
    private func drawPlot(_ sessions: [CookingSession], _ book: RecipeBook) throws {
        var model = StepModel(book), bigram = StepBigram(book)
        let parts = StreamPlot.parts(of: sessions).map(Array.init)
        try plot.write(
            "next step of a recipe", up: "predicted first, %",
            [
                StreamPlot.curve("model", parts.map { 100 * model.read($0).figures.top1 }),
                StreamPlot.curve("bigram", parts.map { 100 * bigram.read($0).figures.top1 }),
            ])
    }
}
