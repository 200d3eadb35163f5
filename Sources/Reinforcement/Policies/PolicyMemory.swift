import Statistics

/// The bytes that a policy and its learner take at most, told before anything is allocated, as a floating-point number, which grows instead of
/// wrapping around; 0 where the name or the settings make no sense.
public func policyBytes(_ name: String, inputs: Int, actions: ActionSpace, settings: JSONValue) -> Double {
    let inputs = Double(inputs), width = Double(actions.width)
    /// Numbers of a network, and what it computes for one row.
    func network(_ hidden: [Int], outputs: Double) -> (parameters: Double, activations: Double) {
        let widths = [inputs + width] + hidden.map(Double.init) + [outputs]
        return (zip(widths, widths.dropFirst()).reduce(0) { $0 + ($1.0 + 1) * $1.1 }, 2 * widths.reduce(0, +))
    }
    switch name {
    case "bandit": return 24 * width * (inputs + 1) * (inputs + 2)
    case "ppo":
        guard let own = try? PPO.Configuration(settings) else { return 0 }
        let (parameters, activations) = network(own.hidden, outputs: width + 1)
        // Two networks: weights, gradients, the optimiser's moments, what serves.
        return 4 * (10 * parameters + 4 * Double(own.minibatch) * activations + 2 * Double(own.batch) * (2 * inputs + 3 * width + 16))
    case "ddpg":
        guard let own = try? DDPG.Configuration(settings) else { return 0 }
        let (parameters, activations) = network(own.hidden, outputs: max(width, 1))
        return 4 * (14 * parameters + 8 * Double(own.batch) * activations + Double(own.memory) * (2 * inputs + width + 2))
    default: return 8 * width
    }
}

/// Throws what about a policy's settings makes no sense, or does not go with these actions, and makes none: a large one takes a while.
public func checkPolicy(_ name: String, actions: ActionSpace, settings: JSONValue) throws(SettingsError) {
    switch name {
    case "ppo": _ = try PPO.Configuration(settings)
    case "ddpg":
        _ = try DDPG.Configuration(settings)
        try DDPG.check(actions)
    case "bandit":
        _ = try LinearBandit.Configuration(settings)
        try LinearBandit.check(actions)
    default: _ = try policyLearner(name, inputs: 1, actions: actions, settings: settings, seed: 1)
    }
}

extension DDPG {
    static func check(_ actions: ActionSpace) throws(SettingsError) {
        try SettingsError.require(!actions.isDiscrete, "policy", "ddpg decides on controls, not on choices; ppo and bandit choose")
    }
}

extension LinearBandit {
    static func check(_ actions: ActionSpace) throws(SettingsError) {
        try SettingsError.require(actions.isDiscrete, "policy", "a bandit chooses; ppo and ddpg decide on controls")
    }
}
