import Foundation
import Statistics

/// A pole on a cart that is pushed left (0) or right (1). The reward is 1 for every step; the episode ends when the pole leans more than
/// 12°, the cart leaves ±2.4, or after 500 steps.
///
/// Equations, Euler integration in double precision and limits are those of Gymnasium's CartPole-v1.
/// https://gymnasium.farama.org/environments/classic_control/cart_pole
public struct CartPole: Environment {
    /// x, ẋ, θ, θ̇
    public var state: [Double] = [0, 0, 0, 0]
    private var steps = 0

    private static let gravity = 9.8, poleMass = 0.1, totalMass = 1.1, halfLength = 0.5, force = 10.0, tau = 0.02
    private static let angleLimit = 12 * 2 * Double.pi / 360, positionLimit = 2.4
    public static let stepLimit = 500

    public init() {}

    public var inputs: Int { 4 }
    public var actions: ActionSpace { .choices(2) }

    public mutating func reset(using random: inout RandomSource) -> [Float] {
        begin(at: (0..<4).map { _ in random.uniform(in: -0.05..<0.05) })
    }

    /// Begins an episode in a given state.
    public mutating func begin(at state: [Double]) -> [Float] {
        self.state = state
        steps = 0
        return state.map(Float.init)
    }

    public mutating func step(_ decision: Decision) -> Outcome {
        let (x, speed, angle, spin) = (state[0], state[1], state[2], state[3])
        let force = decision.choice == 1 ? Self.force : -Self.force
        let cosine = cos(angle), sine = sin(angle)
        let temporary = (force + Self.poleMass * Self.halfLength * (spin * spin) * sine) / Self.totalMass
        let angular =
            (Self.gravity * sine - cosine * temporary)
            / (Self.halfLength * (4.0 / 3.0 - Self.poleMass * (cosine * cosine) / Self.totalMass))
        let linear = temporary - Self.poleMass * Self.halfLength * angular * cosine / Self.totalMass
        state = [x + Self.tau * speed, speed + Self.tau * linear, angle + Self.tau * spin, spin + Self.tau * angular]
        steps += 1
        let isTerminal = abs(state[0]) > Self.positionLimit || abs(state[2]) > Self.angleLimit
        return Outcome(observation: state.map(Float.init), reward: 1, isTerminal: isTerminal, isTruncated: steps >= Self.stepLimit)
    }
}
