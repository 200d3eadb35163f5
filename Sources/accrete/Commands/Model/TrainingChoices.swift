import ArgumentParser
import Learning
import Statistics
import StrictJSON

/// The options of training: the trained parameters, the optimiser and the batches.
struct TrainingChoices: ParsableArguments {
    @Option(help: "The trained parameters: all, last:N (blocks), head (with all norms), or lora.")
    var scope = "all"

    @Option(help: "lora: the rank of the adapters.")
    var rank = 8

    @Option(help: "lora: adapters are scaled by alpha / rank.")
    var alpha = 16.0

    @Option(
        help: ArgumentHelp(
            """
            lora: the ends of the adapted projections' names, separated by commas: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, \
            down_proj; of a GPT-2 c_attn, c_fc, c_proj, mlp.c_proj. Without it, q_proj and v_proj, or c_attn.
            """, valueName: "names"))
    var targets: String?

    @Option(help: "The optimiser: sgd, momentum, nesterov, adam, adamw or lamb.")
    var optimizer = "adamw"

    @Option(help: "The optimiser's learning rate.")
    var rate: Double?

    @Option(help: "The optimiser's weight decay.")
    var weightDecay: Double?

    @Option(help: "The maximum norm of the gradient, which is scaled down to it; 0 for no clipping.")
    var clip = 1.0

    @Option(help: "The schedule of the learning rate: constant, cosine (to 0 at the last step) or inverse_square_root.")
    var schedule = "constant"

    @Option(help: ArgumentHelp("The number of steps of linear warm-up of the learning rate.", valueName: "n"))
    var warmup = 0

    @Option(help: ArgumentHelp("The number of windows of the text in one pass.", valueName: "n"))
    var batch = 1

    @Option(help: ArgumentHelp("The number of tokens of a window, at most the model's context.", valueName: "n"))
    var time = 128

    @Option(help: ArgumentHelp("The number of passes whose gradients are accumulated for one step.", valueName: "n"))
    var accumulate = 1

    @Flag(help: "Recompute the activations of every block in the backward pass: less memory, the same gradient.")
    var recompute = false

    @Option(help: "The seed of the order of windows and of the adapters' initial values.")
    var seed = 1

    func validate() throws {
        typealias Configuration = TextTrainer.Configuration
        try check("--rank", rank, within: Configuration.ranks)
        try check("--alpha", alpha, above: 0, atMost: Configuration.alphaLimit)
        try check("--rate", rate, within: 0...Self.factorLimit)
        try check("--weight-decay", weightDecay, within: 0...Self.factorLimit)
        try check("--clip", clip, within: 0...Self.factorLimit)
        try check("--warmup", warmup, within: 0...countLimit)
        try check("--batch", batch, within: Configuration.batches)
        try check("--time", time, within: Configuration.times)
        try check("--accumulate", accumulate, within: Configuration.accumulations)
        try check("--seed", seed, within: 0...Int.max)
    }

    private static let factorLimit = 1e6

    func configuration(steps: Int) throws -> TextTrainer.Configuration {
        var configuration = TextTrainer.Configuration()
        configuration.scope = scope
        configuration.rank = rank
        configuration.alpha = alpha
        configuration.targets = targets?.split(separator: ",").map(String.init) ?? []
        configuration.optimizer = optimizer
        var settings: [String: JSON] = ["clip_norm": .number(clip)]
        if let rate { settings["learning_rate"] = .number(rate) }
        if let weightDecay { settings["weight_decay"] = .number(weightDecay) }
        var shape: [String: JSON] = ["shape": .string(schedule), "warmup_steps": .number(Double(warmup))]
        if schedule == "cosine" { shape["total_steps"] = .number(Double(steps)) }
        settings["schedule"] = .object(shape)
        configuration.optimizerSettings = .object(settings)
        configuration.batch = batch
        configuration.time = time
        configuration.accumulate = accumulate
        configuration.recompute = recompute
        configuration.seed = seed
        do throws(SettingsError) { try configuration.validate() } catch { throw ValidationError("\(error)") }
        return configuration
    }
}
