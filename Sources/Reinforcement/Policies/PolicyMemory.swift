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
