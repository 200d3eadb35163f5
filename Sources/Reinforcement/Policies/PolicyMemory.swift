import Statistics
import StrictJSON

/// An upper bound of the memory of a policy and its learner in bytes, computed without allocating it. It is a floating-point number, which
/// cannot overflow; 0 if the settings are not valid.
public func policyBytes(_ name: String, inputs: Int, actions: ActionSpace, settings: JSON) -> Double {
    let inputs = Double(inputs), width = Double(actions.width)
    /// The number of parameters of a network, and of activations for one row.
    func network(_ hidden: [Int], outputs: Double) -> (parameters: Double, activations: Double) {
        let widths = [inputs + width] + hidden.map(Double.init) + [outputs]
        return (zip(widths, widths.dropFirst()).reduce(0) { $0 + ($1.0 + 1) * $1.1 }, 2 * widths.reduce(0, +))
    }
    switch name {
    case "bandit": return 24 * width * (inputs + 1) * (inputs + 2)
    case "ppo":
        guard let own = try? PPO.Configuration(settings) else { return 0 }
        let (parameters, activations) = network(own.hidden, outputs: width + 1)
        // Two networks: weights, gradients, the optimiser's moments, the copy that serves.
        return 4 * (10 * parameters + 4 * Double(own.minibatch) * activations + 2 * Double(own.batch) * (2 * inputs + 3 * width + 16))
    case "ddpg":
        guard let own = try? DDPG.Configuration(settings) else { return 0 }
        let (parameters, activations) = network(own.hidden, outputs: max(width, 1))
        return 4 * (14 * parameters + 8 * Double(own.batch) * activations + Double(own.memory) * (2 * inputs + width + 2))
    default: return 8 * width
    }
}

/// Checks the name and the settings of a policy without creating it, which can take long for a large one.
/// - Throws: an unknown name, a setting that is not valid, or a policy that does not support the action space.
public func checkPolicy(_ name: String, actions: ActionSpace, settings: JSON) throws(SettingsError) {
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
        try SettingsError.require(!actions.isDiscrete, "policy", "ddpg supports controls only; for choices there are ppo and bandit")
    }
}

extension LinearBandit {
    static func check(_ actions: ActionSpace) throws(SettingsError) {
        try SettingsError.require(actions.isDiscrete, "policy", "bandit supports choices only; for controls there are ppo and ddpg")
    }
}
