import ArgumentParser
import Foundation
import Statistics

/// Few-shot classification of new characters from one or five examples.
struct OmniglotBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "omniglot",
        abstract: "Few-shot accuracy on characters of alphabets that nothing was trained on.",
        discussion: """
            Every split holds out some alphabets for the test and trains on all others. The interval is 95 % over test tasks of one
            model, and over models (splits and seeds) for the mean.

            Example:
              accrete-bench omniglot --data DATA/omniglot --method maml --ways 5 --shots 1 --also 5x5 --also 20x1 --seeds 1
            """)

    @Option(help: ArgumentHelp("The directory with images28-idx3-ubyte and manifest.csv.", valueName: "dir"))
    var data: String

    @Option(help: "A method: maml, fomaml, reptile, nearest, scratch; repeat for several.")
    var method: [FewShotRecipe.Method] = [.maml]

    @OptionGroup var recipe: FewShotRecipe

    @Option(help: "How many seeds each split is run with.")
    var seeds = 1

    @Option(help: "Alphabets held out in each split.")
    var heldOut = 1

    @Option(help: "How many splits; each alphabet is held out in turn.")
    var splits = 5

    @Option(help: "Tasks of the test.")
    var testTasks = 300

    @Flag(help: "For choosing settings: leave the held-out alphabets untouched, and test on the next ones, untrained too.")
    var choosing = false

    @Flag(help: "Print one JSON object a row and nothing else.")
    var json = false

    private struct Result: Encodable {
        let method: FewShotRecipe.Method
        let ways, shots: Int
        let heldOut: [String]
        let seed: Int
        /// In percent.
        let accuracy, interval, seconds: Double
    }

    func validate() throws {
        guard recipe.ways > 1, recipe.shots > 0, recipe.tasks > 0, recipe.steps > 0, recipe.queries > 0, !recipe.channels.isEmpty else {
            throw ValidationError("a task needs two classes, a shot, a query; training needs tasks and inner steps")
        }
    }

    func run() throws {
        let omniglot = try OmniglotData(directory: data), alphabets = omniglot.alphabets
        let unused = heldOut * (choosing ? 2 : 1)
        guard heldOut > 0, unused < alphabets.count else {
            throw ValidationError("\(heldOut) of \(alphabets.count) alphabets cannot be held out; try --held-out 1")
        }
        for method in method {
            var accuracies: [RunningMoments] = [], shapes: [TaskShape] = [], seconds = 0.0
            for split in 0..<min(splits, alphabets.count) {
                let turn = alphabets[split...] + alphabets[..<split]
                let tested = Array(turn[(turn.startIndex + unused - heldOut)..<(turn.startIndex + unused)])
                for seed in 0..<seeds {
                    let results = try measure(method, omniglot, trained: turn.dropFirst(unused).map { $0 }, tested: tested, seed: seed)
                    if accuracies.isEmpty { accuracies = results.map { _ in RunningMoments() } }
                    shapes = results.map { TaskShape(ways: $0.ways, shots: $0.shots) }
                    for (index, result) in results.enumerated() { accuracies[index].add(result.accuracy) }
                    seconds += results[0].seconds
                    try results.forEach(report)
                }
            }
            for (shape, moments) in zip(shapes, accuracies) where !json {
                let interval = 1.96 * moments.standardDeviation / Double(max(1, moments.count)).squareRoot()
                print(
                    String(
                        format: "%@ %d-way %d-shot: %.1f ± %.1f over %d models, %.0f s a model", method.rawValue, shape.ways, shape.shots,
                        moments.mean, interval, moments.count, seconds / Double(max(1, moments.count))))
            }
        }
    }

    private func measure(
        _ method: FewShotRecipe.Method, _ omniglot: OmniglotData, trained: [String], tested: [String], seed: Int
    ) throws -> [Result] {
        let testing = omniglot.classes(of: tested), ways = ([recipe.ways] + recipe.also.map(\.ways)).max() ?? 0
        guard testing.count >= ways else {
            throw ValidationError("\(tested.joined(separator: ", ")) has \(testing.count) characters, fewer than \(ways); try --held-out 2")
        }
        let start = ContinuousClock.now
        var trial = FewShotTrial(
            method: method, recipe: recipe, training: omniglot.classes(of: trained, turned: recipe.turned, mirrored: recipe.mirrored),
            testing: testing,
            seed: UInt64(seed), testTasks: testTasks)
        if !json { trial.progress = { FileHandle.standardError.write(Data("  \($0)\n".utf8)) } }
        let accuracies = try trial.accuracies(), seconds = (ContinuousClock.now - start) / .seconds(1)
        return zip(trial.shapes, accuracies).map { shape, accuracies in
            var moments = RunningMoments()
            for accuracy in accuracies { moments.add(100 * accuracy) }
            return Result(
                method: method, ways: shape.ways, shots: shape.shots, heldOut: tested, seed: seed, accuracy: moments.mean,
                interval: 1.96 * moments.standardDeviation / Double(max(1, moments.count)).squareRoot(), seconds: seconds)
        }
    }

    private func report(_ result: Result) throws {
        if json {
            print(String(decoding: try JSONEncoder().encode(result), as: UTF8.self))
        } else {
            print(
                String(
                    format: "%@ %d-way %d-shot, %@, seed %d: %.1f ± %.1f, %.0f s", result.method.rawValue, result.ways, result.shots,
                    result.heldOut.joined(separator: " and "), result.seed, result.accuracy, result.interval, result.seconds))
        }
    }
}
