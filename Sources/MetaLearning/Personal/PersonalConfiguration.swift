import Learning
import Statistics
import Tensors

/// The settings of personalisation: each session adapts some parameters of the shared model.
public struct PersonalConfiguration: Settings {
    /// Whether sessions adapt. If not, this costs neither time nor memory.
    public var enabled = false
    /// How the initial parameters of sessions are learned: `fomaml`, `maml` (exact second order) or `reptile`.
    public var method = "fomaml"
    /// Substrings of the names of the parameters that differ from the shared model in sessions: by default the head, the fusion's last
    /// projection, and `adapted`.
    public var parameters = ["head.", "fusion.join", ".norm."]
    /// Substrings of the names of those that each session adapts; the others have the same offsets in all sessions. By default scale and
    /// bias of the tokens of every sense: these are few enough numbers for eight moments, and a scale can invert the meaning of a sense.
    /// https://arxiv.org/abs/1810.03642
    public var adapted = [".norm."]
    /// The maximum count of numbers that may differ in a session, all of which are published for it.
    public var maximumNumbers = 100_000
    /// n: the number of labelled moments to adapt to.
    public var support = 8
    /// m: the number of labelled moments after them to evaluate on.
    public var query = 8
    /// k: the number of steps of adapting.
    public var steps = 2
    /// The initial α of every number.
    public var innerRate = 10.0
    /// Adam's learning rate for the initial parameters of sessions.
    public var outerRate = 0.001
    /// Adam's learning rate for α, relative to `innerRate`; 0 for a constant α.
    public var rateShare = 0.02
    /// The number of finished tasks kept for replay, each about 300 kB of pictures and sounds; the oldest is replaced.
    public var memory = 256
    /// The number of tasks replayed at each labelled moment.
    public var replayed = 2
    /// The number of newest tasks over which adapters must have lowered the loss significantly to be published; 0 publishes them always.
    public var proof = 64
    /// The maximum number of sessions; the one that was inactive for longest is replaced.
    public var maximumSessions = 64
    /// The number of labelled moments of other sessions after which an inactive session loses its adapters.
    public var expiry = 2_000
    /// The maximum duration of adapting, in seconds; in live mode, further steps are omitted.
    public var budget = 0.25

    public init() {}

    public static let methods = ["fomaml", "maml", "reptile"]

    public func validate() throws(SettingsError) {
        try SettingsError.require(Self.methods.contains(method), "method", "'\(method)' is none of \(Self.methods.joined(separator: ", "))")
        for (key, names) in [("parameters", parameters), ("adapted", adapted)] {
            try SettingsError.require(!names.isEmpty && !names.contains(""), key, "must be a list of substrings of parameters' names")
        }
        try SettingsError.require(
            proof == 0 || (PersonalGain.fewestTasks...100_000).contains(proof), "proof",
            "\(proof) is neither 0 nor in \(PersonalGain.fewestTasks) ... 100000")
        for (key, value, most) in [
            ("maximum_numbers", maximumNumbers, 1 << 26), ("support", support, 1024), ("query", query, 1024), ("steps", steps, 1000),
            ("memory", memory, 1 << 20), ("maximum_sessions", maximumSessions, 100_000), ("expiry", expiry, 1 << 40),
        ] {
            try SettingsError.require((1...most).contains(value), key, "\(value) is not in 1 ... \(most)")
        }
        try SettingsError.require((0...1000).contains(replayed), "replayed", "\(replayed) is not in 0 ... 1000")
        for (key, value) in [("inner_rate", innerRate), ("outer_rate", outerRate), ("budget", budget)] {
            try SettingsError.require(value > 0 && value <= 1000, key, "\(value) is not positive and at most 1000")
        }
        try SettingsError.require((0...1).contains(rateShare), "rate_share", "\(rateShare) is not in 0 ... 1")
    }

    /// Whether a parameter differs from the shared model in sessions.
    public func isPersonal(_ parameter: Parameter) -> Bool { parameters.contains { parameter.name.contains($0) } }

    /// Whether a parameter is adapted by each session.
    public func isAdapted(_ parameter: Parameter) -> Bool { adapted.contains { parameter.name.contains($0) } }
}
