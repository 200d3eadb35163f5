import Learning
import MetaLearning
import Statistics
import Tensors

/// One method, trained on some classes and tested on others, from one seed.
struct FewShotTrial {
    let method: FewShotRecipe.Method
    let recipe: FewShotRecipe
    let training: [[[Float]]]
    let testing: [[[Float]]]
    let seed: UInt64
    let testTasks: Int
    var progress: (String) -> Void = { _ in }

    /// The tasks on which the trained network is evaluated, the recipe's own task first.
    var shapes: [TaskShape] {
        [TaskShape(ways: recipe.ways, shots: recipe.shots)] + (isMAML && recipe.head == .prototypes ? recipe.also : [])
    }

    /// A shape's tasks, and how many images of each class they ask.
    private struct Test {
        let shape: TaskShape
        let queries: Int
        let episodes: [Episode<LabelledImages>]
    }

    /// The share of right answers in each test task, for every shape.
    func accuracies() throws -> [[Double]] {
        var random = RandomSource(seed: seed)
        var drawn = random.split()
        let tests = shapes.map { shape in
            var tests = EpisodeSource(classes: testing, ways: shape.ways, warp: nil, copies: copies, random: drawn.split())
            let queries = min(15, (testing.map(\.count).min() ?? 0) - shape.shots)
            let count = max(1, testTasks * 5 / shape.ways)
            return Test(
                shape: shape, queries: queries, episodes: (0..<count).map { _ in tests.episode(shots: shape.shots, queries: queries) })
        }
        var source = EpisodeSource(
            classes: training, ways: trainWays, warp: recipe.warped ? Warp() : nil, copies: copies, random: random.split())
        switch method {
        case .nearest: return [tests[0].episodes.map(nearest)]
        case .scratch: return [try scratch(tests[0], &random)]
        case .maml, .fomaml: return try maml(tests, &source, &random)
        case .reptile: return [try reptile(tests[0], &source, &random)]
        }
    }

    private var isMAML: Bool { method == .maml || method == .fomaml }
    private var copies: Int { isMAML ? recipe.copies : 0 }
    /// A head that begins at prototypes has nothing to bring along, so tasks of training may be larger than those of the test.
    private var trainWays: Int { isMAML && recipe.head == .prototypes && recipe.trainWays > 0 ? recipe.trainWays : recipe.ways }

    /// The class of the support's nearest image, pixel by pixel.
    private func nearest(_ episode: Episode<LabelledImages>) -> Double {
        let area = OmniglotData.side * OmniglotData.side, support = episode.support, query = episode.query
        let right = query.labels.indices.count { row in
            let distances = support.labels.indices.map { other in
                (0..<area).reduce(Float(0)) { sum, place in
                    let d = query.pixels[row * area + place] - support.pixels[other * area + place]
                    return sum + d * d
                }
            }
            return distances.indices.min { distances[$0] < distances[$1] }.map { support.labels[$0] } == query.labels[row]
        }
        return Double(right) / Double(query.labels.count)
    }

    /// The same network from fresh weights, by Adam on the support alone.
    private func scratch(_ test: Test, _ random: inout RandomSource) throws -> [Double] {
        let network = recipe.network(classes: recipe.ways), parameters = ParameterStore<Float>(network.layout)
        let support = FewShotLoss(network, parameters: parameters, images: recipe.ways * recipe.shots)
        let query = FewShotLoss(network, parameters: parameters, images: recipe.ways * test.queries)
        return try test.episodes.map { episode in
            network.initialize(parameters, using: &random)
            let optimizer = Optimizer(try updateRule("adam"), parameters: parameters, gradients: support.gradients)
            support.put(episode.support)
            for _ in 0..<100 {
                _ = support.differentiate()
                optimizer.step()
            }
            query.put(episode.query)
            return query.accuracy()
        }
    }

    private func maml(_ tests: [Test], _ source: inout EpisodeSource, _ random: inout RandomSource) throws -> [[Double]] {
        let network = recipe.network(classes: trainWays), meta: ParameterStore<Float> = network.initialStore(using: &random)
        let task = ParameterStore<Float>(network.layout), supportImages = trainWays * recipe.shots * (1 + copies)
        let start = prototypes(network, supportImages)
        let second =
            method == .maml ? FewShotLoss(network, parameters: ParameterStore<Dual<Float>>(network.layout), images: supportImages) : nil
        let support = FewShotLoss(network, parameters: task, images: supportImages)
        let learner = try MetaLearner(
            recipe.metaConfiguration(method), meta: meta,
            metaGradient: MetaGradient(
                support: support, query: FewShotLoss(network, parameters: task, images: trainWays * recipe.queries), second: second,
                start: start))
        var recent = WindowedMean(capacity: 100)
        for iteration in 1...max(1, recipe.iterations) {
            recent.add(learner.learn((0..<recipe.tasks).map { _ in source.episode(shots: recipe.shots, queries: recipe.queries) }))
            if iteration.isMultiple(of: 100) { progress("meta-step \(iteration): query loss \(recent.mean ?? 0)") }
        }
        return tests.map { accuracies(of: $0, meta, learner.rates) }
    }

    private func reptile(_ test: Test, _ source: inout EpisodeSource, _ random: inout RandomSource) throws -> [Double] {
        let network = recipe.network(classes: recipe.ways), meta: ParameterStore<Float> = network.initialStore(using: &random)
        let task = ParameterStore<Float>(network.layout), size = 2 * recipe.ways
        let learner = try Reptile(
            recipe.metaConfiguration(method), meta: meta, loss: FewShotLoss(network, parameters: task, images: size))
        var recent = WindowedMean(capacity: 100)
        for iteration in 1...max(1, recipe.iterations) {
            recent.add(
                learner.learn(
                    (0..<recipe.tasks).map { _ in
                        source.batches(recipe.steps, of: size, shots: recipe.shots + recipe.queries)
                    }))
            if iteration.isMultiple(of: 100) { progress("meta-step \(iteration): loss \(recent.mean ?? 0)") }
        }
        return accuracies(of: test, meta, learner.rates)
    }

    private func prototypes(_ network: FewShotNetwork, _ images: Int) -> PrototypeStart<Float>? {
        isMAML && recipe.head == .prototypes
            ? PrototypeStart(network, images: images, sharpness: recipe.sharpness / Double(network.features)) : nil
    }

    private func accuracies(of test: Test, _ trained: ParameterStore<Float>, _ trainedRates: ParameterStore<Float>) -> [Double] {
        let network = recipe.network(classes: test.shape.ways), supportImages = test.shape.ways * test.shape.shots * (1 + copies)
        let task = ParameterStore<Float>(network.layout)
        let meta = ParameterStore<Float>(network.layout), rates = ParameterStore<Float>(network.layout)
        rates.values.fill(recipe.innerRate)
        for parameter in network.parameters where trained.layout[parameter.name]?.shape == parameter.shape {
            _ = meta[parameter.name].update(fromContentsOf: trained[parameter.name])
            _ = rates[parameter.name].update(fromContentsOf: trainedRates[parameter.name])
        }
        let support = FewShotLoss(network, parameters: task, images: supportImages)
        let query = FewShotLoss(network, parameters: task, images: test.shape.ways * test.queries)
        let adapting = MetaGradient(support: support, query: query, start: prototypes(network, supportImages))
        return test.episodes.map { episode in
            adapting.adapt(episode.support, from: meta, rates: rates, steps: recipe.testSteps)
            query.put(episode.query)
            return query.accuracy()
        }
    }
}
