import ArgumentParser
import MetaLearning
import Statistics
import Wiring

/// The settings of a few-shot network's training and evaluation.
struct FewShotRecipe: ParsableArguments {
    enum Method: String, ExpressibleByArgument, CaseIterable, Encodable {
        case maml, fomaml, reptile, nearest, scratch
    }

    enum Head: String, ExpressibleByArgument, CaseIterable, Encodable {
        /// A parameter like others.
        case plain
        /// Begins at the means of the support's embeddings.
        case prototypes
    }

    @Option(help: "Images of each class to learn from.")
    var shots = 1

    @Option(help: "Classes in a task.")
    var ways = 5

    @Option(
        help: "Where heads begin at prototypes: what else to ask of the same trained network, as ways and shots (5x5); repeat for several.")
    var also: [TaskShape] = []

    @Option(help: "Channels of each convolution.")
    var channels = [32, 64, 64]

    @Option(help: "What keeps channels in range: layer, batch or none. With batch, a query is answered with the others in view.")
    var norm = ChannelNorm.layer

    @Option(help: "How a task's head begins: plain or prototypes (maml and fomaml).")
    var head = Head.prototypes

    @Option(help: "The factor of the mean squared distance in the logits of a head that begins at prototypes.")
    var sharpness = 16.0

    @Option(help: "Meta-steps.")
    var iterations = 800

    @Option(help: "Tasks in a meta-step.")
    var tasks = 4

    @Option(help: "Query images of each class in training.")
    var queries = 5

    @Option(help: "Classes of a task in training, where heads begin at prototypes; 0 for as many as in the test.")
    var trainWays = 10

    @Option(help: "Warped copies added for each image of a support set, in training and test (maml and fomaml).")
    var copies = 3

    @Option(help: "Inner steps in training.")
    var steps = 1

    @Option(help: "Inner steps in the test.")
    var testSteps = 1

    @Option(help: "The inner rate, at the beginning where it is learned.")
    var innerRate = 0.01

    @Option(help: "Adam's rate for the inner rates; 0 leaves them as they are.")
    var rateRate = 0.001

    @Option(help: "Adam's rate for the meta-parameters, down along a cosine.")
    var outerRate = 0.003

    @Flag(inversion: .prefixedNo, help: "Count a turned character as another one in training.")
    var turned = true

    @Flag(inversion: .prefixedNo, help: "Count a character in the mirror as another one in training.")
    var mirrored = false

    @Flag(inversion: .prefixedNo, help: "Warp the images of training a little.")
    var warped = true

    func network(classes: Int) -> FewShotNetwork {
        FewShotNetwork(side: OmniglotData.side, channels: channels, classes: classes, norm: norm)
    }

    func metaConfiguration(_ method: Method) -> MetaConfiguration {
        var configuration = MetaConfiguration()
        configuration.steps = steps
        configuration.innerRate = innerRate
        configuration.rateRate = method == .maml ? rateRate : 0
        configuration.optimizerSettings = [
            "learning_rate": .number(outerRate), "clip_norm": 10,
            "schedule": ["shape": "cosine", "total_steps": .integer(max(1, iterations)), "final_share": 0.02],
        ]
        return configuration
    }
}

extension ChannelNorm: ExpressibleByArgument {}

/// How many classes a task has, and how many images of each are there to learn from.
struct TaskShape: ExpressibleByArgument, Equatable {
    let ways, shots: Int

    init(ways: Int, shots: Int) {
        self.ways = ways
        self.shots = shots
    }

    init?(argument: String) {
        let parts = argument.split(separator: "x").compactMap { Int($0) }
        guard parts.count == 2, parts[0] > 1, parts[1] > 0 else { return nil }
        self.init(ways: parts[0], shots: parts[1])
    }
}
