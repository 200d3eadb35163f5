import Learning
import Statistics
import Tensors

/// How sessions get a model of their own.
public struct PersonalConfiguration: Settings {
    /// Off, nothing of this costs anything.
    public var enabled = false
    /// `fomaml`, `maml` (exact second order) or `reptile`: how the start of every session is learned.
    public var method = "fomaml"
    /// What sessions have of their own: parameters whose name holds one of these. The head, what it joins, and `adapted`.
    public var parameters = ["head.", "fusion.join", ".norm."]
    /// What of it a session adapts; the rest is the same in all sessions. Scale and bias of every sense's tokens: few numbers, which eight
    /// moments can teach, and a scale can turn what a sense means into its opposite.  https://arxiv.org/abs/1810.03642
    public var adapted = [".norm."]
    /// More numbers than this are too many to send with every session.
    public var maximumNumbers = 100_000
    /// n: the first labelled moments of a session, adapted to.
    public var support = 8
    /// m: the next ones, which tell how well that went.
    public var query = 8
    /// k: steps of adapting.
    public var steps = 2
    /// α of every number at the beginning.
    public var innerRate = 10.0
    /// Adam's rate for the start of sessions.
    public var outerRate = 0.001
    /// Adam's rate for α itself, as a share of `innerRate`; 0 leaves it.
    public var rateShare = 0.02
    /// Ended tasks that are remembered, each some 300 kB of pictures and sounds; the oldest makes room.
    public var memory = 256
    /// Remembered tasks learned from again at each labelled moment.
    public var replayed = 2
    /// Newest tasks over which adapters must have lowered the loss, beyond chance, for any to be sent; 0: they are sent unproven.
    public var proof = 64
    /// Sessions remembered at once; the one that spoke least recently makes room.
    public var maximumSessions = 64
    /// A session that has been silent for so many moments of others loses its adapters.
    public var expiry = 2_000
    /// The longest that adapting may take, in seconds; live, steps beyond it are left out.
    public var budget = 0.25

    public init() {}

    public static let methods = ["fomaml", "maml", "reptile"]

    public func validate() throws(SettingsError) {
        try SettingsError.require(Self.methods.contains(method), "method", "'\(method)' is none of \(Self.methods.joined(separator: ", "))")
        try SettingsError.require(!parameters.isEmpty && !parameters.contains(""), "parameters", "needs a part of a parameter's name each")
        try SettingsError.require(!adapted.isEmpty && !adapted.contains(""), "adapted", "needs a part of a parameter's name each")
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

    public func isPersonal(_ parameter: Parameter) -> Bool { parameters.contains { parameter.name.contains($0) } }

    public func isAdapted(_ parameter: Parameter) -> Bool { adapted.contains { parameter.name.contains($0) } }
}
