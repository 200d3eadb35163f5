import ArgumentParser
import Foundation
import Learning
import MetaLearning
import Model
import Statistics

/// Measures the gain of adapting to a new user's session, from the meta-learned initial values and from the shared model.
struct PersonalBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "personal",
        abstract: "Loss of new users' sessions after 0, 1 and 5 steps of adapting, from the learned start and from the shared model.",
        discussion: """
            One pass: sessions of known users come one after another; each is a task for the start of sessions before the shared model
            learns its moments. Then sessions of users never met: the first moments are adapted to, the next ones judged. Plain
            fine-tuning adapts all that sessions have of their own, at the best of eight rates, chosen on the last sessions of known users.
            What is served is the shared model unless adapters have proven themselves on known users. Intervals are 95 % over sessions.

            Examples:
              accrete-bench personal --seeds 3                               # the simulator's users
              accrete-bench personal --data DATA/av3mnist --seeds 1          # every speaker held out in turn
            """)

    @Option(help: ArgumentHelp("The directory of av3mnist; the simulator's users if not given.", valueName: "dir"))
    var data: String?

    @Option(help: "How many seeds.")
    var seeds = 1

    @Option(help: "Simulated sessions without user-specific traits that the shared model learns first.")
    var before = 150

    @Option(help: "Known users of the simulator, one session each.")
    var users = 150

    @Option(help: "New users of the simulator, one session each.")
    var newUsers = 60

    @Option(help: "fomaml, maml or reptile.")
    var method = "fomaml"

    @Option(help: "What sessions have of their own: parts of parameters' names; repeat for several.")
    var parameter = PersonalConfiguration().parameters

    @Option(help: "What of it they adapt; repeat for several.")
    var adapted = PersonalConfiguration().adapted

    @Option(help: "Adam's rate for the start.")
    var outerRate = PersonalConfiguration().outerRate

    @Option(help: "The inner rate at the beginning.")
    var innerRate = PersonalConfiguration().innerRate

    @Option(help: "Adam's rate for the inner rates, as a share of the inner rate.")
    var rateShare = PersonalConfiguration().rateShare

    @Option(help: "Remembered tasks learned from again at each labelled moment.")
    var replayed = PersonalConfiguration().replayed

    @Option(help: "Tasks remembered.")
    var memory = PersonalConfiguration().memory

    @Option(help: "Steps of adapting that the start is learned for.")
    var steps = PersonalConfiguration().steps

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    func run() throws {
        var personal = PersonalConfiguration()
        personal.method = method
        personal.outerRate = outerRate
        personal.innerRate = innerRate
        personal.rateShare = rateShare
        personal.replayed = replayed
        personal.memory = memory
        personal.steps = steps
        personal.adapted = adapted
        personal.parameters = parameter
        try personal.validate()
        var results = PersonalResults()
        for seed in 1...UInt64(max(1, seeds)) {
            for part in try parts(personal, seed) {
                if !json { FileHandle.standardError.write(Data("seed \(seed), \(part.name)\n".utf8)) }
                try results.add(PersonalTrial(part, personal, seed: seed).run())
            }
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
            print(String(decoding: try encoder.encode(results.rows), as: UTF8.self))
        } else {
            print(results)
        }
    }

    private func parts(_ personal: PersonalConfiguration, _ seed: UInt64) throws -> [PersonalSessions] {
        let length = personal.support + personal.query
        guard let data else { return [try .simulated(before: before, known: users, new: newUsers, length: length, seed: seed)] }
        return try PersonalSessions.speakers(of: data, length: length, seed: seed)
    }
}

/// Training and evaluation for one division into known and new users.
struct PersonalTrial {
    /// Of one new session: loss and accuracy of its query by how it was adapted.
    struct Judged {
        var ways: [String: (loss: Double, accuracy: Double)]
    }

    private let part: PersonalSessions
    private let personal: PersonalConfiguration
    private let seed: UInt64

    init(_ part: PersonalSessions, _ personal: PersonalConfiguration, seed: UInt64) {
        self.part = part
        self.personal = personal
        self.seed = seed
    }

    func run() throws -> [Judged] {
        let model = try MultimodalModel(part.model)
        let shared = try OnlineLearner(model, seed: seed), tasks = SessionTasks(try PersonalLearner(model, personal))
        for moment in part.before.joined() { try shared.learn(moment) }
        for (index, session) in part.known.enumerated() {
            for moment in session {
                _ = tasks.add(moment, of: "\(index)", shared: shared.parameters)
                try shared.learn(moment)
            }
        }
        // One learner for each rate, whose start stays at the shared model.
        let plain = try [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10].map { rate in
            var fixed = personal
            fixed.innerRate = rate
            fixed.adapted = fixed.parameters
            return try PersonalLearner(model, fixed)
        }
        func judge(_ learner: PersonalLearner, _ session: [MomentInput], _ steps: Int) -> (loss: Double, accuracy: Double) {
            _ = learner.adapt(Array(session.prefix(personal.support)), from: shared.parameters, steps: steps)
            return learner.evaluate(Array(session.dropFirst(personal.support)))
        }
        func best(_ steps: Int) -> PersonalLearner {
            let means = plain.map { learner in
                part.known.suffix(20).reduce(0) { sum, session in
                    let loss = judge(learner, session, steps).loss
                    return sum + (loss.isFinite ? loss : 1e9)
                }
            }
            return plain[means.indices.min { means[$0] < means[$1] } ?? 0]
        }
        let plainOne = best(1), plainFive = best(5)
        return part.new.map { session in
            Judged(ways: [
                "shared": judge(plainOne, session, 0), "plain 1": judge(plainOne, session, 1), "plain 5": judge(plainFive, session, 5),
                "start 0": judge(tasks.learner, session, 0), "start 1": judge(tasks.learner, session, 1),
                "start 5": judge(tasks.learner, session, 5),
                "served": tasks.gain.isTrusted ? judge(tasks.learner, session, personal.steps) : judge(plainOne, session, 0),
            ])
        }
    }
}

/// Means and differences over all evaluated sessions.
struct PersonalResults: CustomStringConvertible {
    struct Row: Encodable {
        let name: String
        let loss, lossInterval, accuracy, accuracyInterval: Double
        let sessions: Int
    }

    private static let ways = ["shared", "plain 1", "plain 5", "start 0", "start 1", "start 5", "served"]
    private static let differences = [("start 1", "plain 1"), ("start 5", "plain 5"), ("start 5", "shared"), ("served", "shared")]
    private var judged: [PersonalTrial.Judged] = []

    mutating func add(_ more: [PersonalTrial.Judged]) { judged += more }

    var rows: [Row] {
        Self.ways.map { way in row(way) { $0.ways[way] ?? (.nan, .nan) } }
            + Self.differences.map { one, other in
                row("\(one) − \(other)") { judged in
                    guard let a = judged.ways[one], let b = judged.ways[other] else { return (.nan, .nan) }
                    return (a.loss - b.loss, a.accuracy - b.accuracy)
                }
            }
    }

    private func row(_ name: String, _ value: (PersonalTrial.Judged) -> (loss: Double, accuracy: Double)) -> Row {
        var loss = RunningMoments(), accuracy = RunningMoments()
        for one in judged.map(value) {
            loss.add(one.loss)
            accuracy.add(100 * one.accuracy)
        }
        func interval(_ moments: RunningMoments) -> Double { 1.96 * moments.standardDeviation / Double(max(1, moments.count)).squareRoot() }
        return Row(
            name: name, loss: loss.mean, lossInterval: interval(loss), accuracy: accuracy.mean, accuracyInterval: interval(accuracy),
            sessions: judged.count)
    }

    var description: String {
        "adapted, steps        loss, nats           right, %        over \(judged.count) sessions\n"
            + rows.map { row in
                row.name.padding(toLength: 20, withPad: " ", startingAt: 0)
                    + String(format: "%7.3f ± %5.3f    %6.1f ± %4.1f", row.loss, row.lossInterval, row.accuracy, row.accuracyInterval)
            }.joined(separator: "\n")
    }
}
