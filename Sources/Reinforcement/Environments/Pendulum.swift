import Foundation
import Statistics

/// A pendulum to be swung up and held with a torque within ±2. The reward of a step is −(angle² + 0.1 speed² + 0.001 torque²); an
/// episode has 200 steps.
///
/// Equations and limits are those of Gymnasium's Pendulum-v1.  https://gymnasium.farama.org/environments/classic_control/pendulum
public struct Pendulum: Environment {
    /// θ, θ̇; 0 is upright.
    public var state: [Double] = [0, 0]
    private var steps = 0

    private static let gravity = 10.0, mass = 1.0, length = 1.0, tau = 0.05, maximumSpeed = 8.0, maximumTorque = 2.0
    public static let stepLimit = 200

    public init() {}

    public var inputs: Int { 3 }
    public var actions: ActionSpace { .controls([-Self.maximumTorque...Self.maximumTorque]) }

    public mutating func reset(using random: inout RandomSource) -> [Float] {
        begin(at: [random.uniform(in: -Double.pi..<Double.pi), random.uniform(in: -1..<1)])
    }

    /// Begins an episode in a given state.
    public mutating func begin(at state: [Double]) -> [Float] {
        self.state = state
        steps = 0
        return observation
    }

    private var observation: [Float] { [Float(cos(state[0])), Float(sin(state[0])), Float(state[1])] }

    public mutating func step(_ decision: Decision) -> Outcome {
        let (angle, speed) = (state[0], state[1])
        let torque = min(Self.maximumTorque, max(-Self.maximumTorque, Double(decision.values.first ?? 0)))
        let turned = angle + .pi
        let normalized = turned - 2 * .pi * (turned / (2 * .pi)).rounded(.down) - .pi
        let cost = normalized * normalized + 0.1 * speed * speed + 0.001 * (torque * torque)
        let pull = 3 * Self.gravity / (2 * Self.length) * sin(angle) + 3 / (Self.mass * Self.length * Self.length) * torque
        let faster = min(Self.maximumSpeed, max(-Self.maximumSpeed, speed + pull * Self.tau))
        state = [angle + faster * Self.tau, faster]
        steps += 1
        return Outcome(observation: observation, reward: -cost, isTerminal: false, isTruncated: steps >= Self.stepLimit)
    }
}
