import ArgumentParser
import Federation
import Foundation
import Learning
import Model
import Statistics
import StrictJSON
import Tensors

/// Sites that learn apart and agree on one model now and then, beside one learner that has all their moments.
struct FederatedBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "federated",
        abstract: "Accuracy of a model that sites learn together without sharing data, beside joint training; and with a poisoned site.",
        discussion: """
            One pass over images, speech in noise and ambiguous captions of digits. Each speaker is a site, or the samples are dealt to
            --sites N. Every fifth sample is in no site and is what models are tested on. Joint training takes the sites' moments in their
            common order with one learner, whose steps a moment are the same. A poisoned site learns every label wrong, and publishes its
            change --boost times as great, against the others.

            Examples:
              accrete-bench federated --data ../shared/data/av3mnist --seeds 3
              accrete-bench federated --data ../shared/data/av3mnist --sites 8 --poisoned 1 --rule median
            """)

    @Option(help: "The directory with manifest.csv, images-idx3-ubyte and audio/.") var data: String
    @Option(help: "A fusion.") var fusion = "late"
    @Option(help: "Initialisations, numbered from 1.") var seeds = 3
    @Option(help: "Sites to which samples are dealt; 0: a site for each speaker.") var sites = 0
    @Option(help: "Moments of a site between two rounds.") var every = 16
    @Option(help: "How weights become one: mean, median or trimmed.") var rule = MergeRule.mean
    @Option(help: "The greatest change of a site that counts, in medians of all; 0: any.") var clip = 0.0
    @Option(help: "Steps a moment, of sites and of joint training.") var steps = 1
    @Option(help: "The weight of FedProx's term.") var proximal = 0.0
    @Option(help: "Poisoned sites.") var poisoned = 0
    @Option(help: "The factor of a poisoned site's change.") var boost = 8.0
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard (1...100).contains(seeds), sites == 0 || (2...64).contains(sites), (1...10_000).contains(every), (1...100).contains(steps),
            (0...64).contains(poisoned), (0...1e6).contains(boost), (0...1e3).contains(clip), (0...1e3).contains(proximal)
        else {
            throw ValidationError(
                "--seeds are 1 to 100, --sites 0 or 2 to 64, --every 1 to 10000, --steps 1 to 100, --poisoned 0 to 64, --boost 0 to 1e6, "
                    + "--clip and --proximal 0 to 1000")
        }
    }

    private struct Row {
        /// While learning, each moment before it was learned, and on the samples that nobody learns.
        var prequential: [Double] = [], tested: [Double] = [], loss: [Double] = []

        mutating func add(right: Int, of count: Int, _ test: (accuracy: Double, loss: Double)) {
            prequential.append(100 * Double(right) / Double(max(1, count)))
            tested.append(100 * test.accuracy)
            loss.append(test.loss)
        }

        var members: JSON {
            func numbers(_ all: [Double]) -> JSON { .array(all.map { .number($0) }) }
            return .object(["prequential": numbers(prequential), "tested": numbers(tested), "loss": numbers(loss)])
        }

        var cells: String {
            func spread(_ numbers: [Double], _ digits: Int) -> String {
                String(format: "%.\(digits)f ± %.\(digits)f", numbers.mean, numbers.deviation)
            }
            return "\(spread(prequential, 1)) | \(spread(tested, 1)) | \(spread(loss, 3)) |"
        }
    }

    func run() throws {
        let samples = try AV3MNISTData(directory: data).moments(in: .speaker)
        let inOrder = samples.sorted { $0.sample < $1.sample }
        let tested = inOrder.filter { $0.sample % 5 == 4 }.map(\.input), learned = inOrder.filter { $0.sample % 5 != 4 }
        let speakers = Set(learned.map(\.domain)).sorted()
        let count = sites > 0 ? sites : speakers.count
        guard poisoned < count else { throw ValidationError("--poisoned is below the number of sites, \(count)") }
        func site(_ index: Int) -> Int { sites > 0 ? index % sites : speakers.firstIndex(of: learned[index].domain) ?? 0 }
        var shares = Array(repeating: [MomentInput](), count: count)
        for index in learned.indices { shares[site(index)].append(learned[index].input) }
        var rows = ["joint": Row(), "federated": Row(), "alone": Row()]
        for seed in 1...seeds {
            note("seed \(seed) of \(seeds)")
            let joint = try learner(seed)
            let right = try pass(joint, learned.map(\.input))
            rows["joint"]?.add(right: right, of: learned.count, test(joint.parameters, joint.model, tested))
            let together = try federated(shares, seed: seed)
            let all = shares.dropFirst(poisoned).reduce(0) { $0 + $1.count }
            rows["federated"]?.add(right: together.right, of: all, test(together.weights, joint.model, tested))
            // What a site's own data are worth without the others.
            let alone = try learner(seed)
            let own = try pass(alone, shares[count - 1])
            rows["alone"]?.add(right: own, of: shares[count - 1].count, test(alone.parameters, alone.model, tested))
        }
        report(rows, sites: count, moments: learned.count, tested: tested.count)
    }

    private func learner(_ seed: Int, _ strategy: String? = nil) throws -> OnlineLearner {
        var model = MultimodalConfiguration()
        (model.fusion, model.senses) = (fusion, [.image, .audio])
        var configuration = OnlineLearner.Configuration()
        configuration.stepsPerMoment = steps
        if proximal > 0, let strategy {
            (configuration.strategy, configuration.strategySettings) = (strategy, .object(["proximal_strength": .number(proximal)]))
            configuration.consolidateEvery = Int(Int32.max)
        }
        return try OnlineLearner(MultimodalModel(model), configuration, seed: UInt64(seed))
    }

    /// Predicts each moment, then learns it.
    /// - Returns: how many were right.
    private func pass(_ learner: OnlineLearner, _ moments: some Collection<MomentInput>, wrongly: Bool = false) throws -> Int {
        let serving = MultimodalGraph.predicting(learner.model, parameters: learner.parameters, batch: 1, languageRows: 0)
        var right = 0
        for var moment in moments {
            serving.set(moment, row: 0)
            serving.forward()
            if serving.prediction(row: 0).decided == moment.label { right += 1 }
            if wrongly { moment.label = moment.label.map { ($0 + 1) % 10 } }
            try learner.learn(moment)
        }
        return right
    }

    private func federated(_ shares: [[MomentInput]], seed: Int) throws -> (weights: ParameterStore<Float>, right: Int) {
        let defaults = OnlineLearner.Configuration().strategy
        // All begin with the same weights; what they draw at random differs.
        let start = try learner(seed).parameters
        let learners = try shares.indices.map { place in
            let one = try learner(seed * 1_000 + place, "\(defaults), proximal")
            one.adopt(start)
            return one
        }
        let base = start.copy()
        var round = FederatedRound()
        (round.rule, round.clip) = (rule, clip)
        var right = 0, done = 0
        while let most = shares.map(\.count).max(), done < most {
            var parts: [FederatedRound.Part] = []
            for (place, learner) in learners.enumerated() {
                let moments = shares[place].dropFirst(done).prefix(every)
                let count = try pass(learner, moments, wrongly: place < poisoned)
                if place >= poisoned { right += count }
                if place < poisoned {
                    for index in base.values.indices {
                        learner.parameters.values[index] =
                            base.values[index] - Float(boost) * (learner.parameters.values[index] - base.values[index])
                    }
                }
                if !moments.isEmpty { parts.append(.init(UnsafeBufferPointer(learner.parameters.values), share: Double(moments.count))) }
            }
            round.merge(parts, into: base.values)
            for learner in learners { learner.adopt(base) }
            done += every
        }
        return (base, right)
    }

    private func test(
        _ weights: ParameterStore<Float>, _ model: MultimodalModel, _ moments: [MomentInput]
    ) -> (accuracy: Double, loss: Double) {
        let graph = MultimodalGraph.predicting(model, parameters: weights, batch: 1, languageRows: 0)
        var right = 0, loss = 0.0
        for moment in moments {
            graph.set(moment, row: 0)
            graph.forward()
            let prediction = graph.prediction(row: 0)
            if prediction.decided == moment.label { right += 1 }
            loss -= Double.log(Double(max(prediction.probabilities[moment.label ?? 0], .leastNormalMagnitude)))
        }
        return (Double(right) / Double(max(1, moments.count)), loss / Double(max(1, moments.count)))
    }

    private func note(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }

    private func report(_ rows: [String: Row], sites: Int, moments: Int, tested: Int) {
        let names = ["joint", "federated", "alone"]
        if json {
            var members: [String: JSON] = [
                "sites": .integer(sites), "moments": .integer(moments), "tested": .integer(tested), "rule": .string(rule.rawValue),
                "poisoned": .integer(poisoned),
            ]
            for name in names { members[name] = rows[name]?.members }
            return print(JSON.object(members).text())
        }
        print(
            "\(sites) sites, \(moments) moments, \(tested) tested; \(rule.rawValue), a round every \(every) moments of a site"
                + (poisoned > 0 ? ", \(poisoned) poisoned" : ""))
        print("| | before learning, % | tested, % | loss, nats |\n|---|---|---|---|")
        for name in names { print("| \(name) | \(rows[name]?.cells ?? "")") }
    }
}

extension MergeRule: ExpressibleByArgument {}
