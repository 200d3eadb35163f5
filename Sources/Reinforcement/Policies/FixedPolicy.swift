import Foundation
import Statistics
import Tensors

/// A baseline policy that does not learn: fixed probabilities of choices, or fixed controls, independent of the observation.
public final class FixedPolicy: ConfigurablePolicy, Policy {
    public struct Configuration: Settings {
        /// The probabilities of the choices; empty for equal probabilities.
        public var probabilities: [Double] = []
        /// The controls; empty for the middle of their bounds.
        public var values: [Double] = []

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require(
                probabilities.isEmpty || probabilities.allSatisfy { $0 >= 0 } && abs(probabilities.reduce(0, +) - 1) < 1e-6,
                "probabilities", "\(probabilities) are not numbers of 0…1 that sum to 1")
            try SettingsError.require(values.allSatisfy(\.isFinite), "values", "\(values) are not all finite")
        }
    }

    public let actions: ActionSpace
    public let inputs: Int
    public let parameters: ParameterStore<Float>
    public var policy: any Policy { self }
    public let batchSize = 1
    public let isOffPolicy = true

    public init(inputs: Int, actions: ActionSpace, _ configuration: Configuration, seed: UInt64) throws(SettingsError) {
        try configuration.validate()
        self.actions = actions
        self.inputs = inputs
        parameters = ParameterStore(ParameterLayout([Parameter("fixed.action", [actions.width])]))
        switch actions {
        case .choices(let count):
            let even = Array(repeating: 1 / Double(count), count: count)
            let wanted = configuration.probabilities.isEmpty ? even : configuration.probabilities
            try SettingsError.require(wanted.count == count, "probabilities", "\(wanted.count) for \(count) choices")
            for (i, probability) in wanted.enumerated() { parameters.values[i] = Float(probability) }
        case .controls(let bounds):
            let middle = bounds.map { ($0.lowerBound + $0.upperBound) / 2 }
            let wanted = configuration.values.isEmpty ? middle : configuration.values
            try SettingsError.require(
                wanted.count == bounds.count && zip(wanted, bounds).allSatisfy { $1.contains($0) }, "values",
                "\(wanted) is not within \(bounds)")
            for (i, value) in wanted.enumerated() { parameters.values[i] = Float(value) }
        }
    }

    public func learn(from transitions: [Transition]) -> PolicyProgress? { nil }

    public func probabilities(on observation: [Float]) -> [Double] { actions.isDiscrete ? parameters.values.map { Double($0) } : [] }

    public func decide(on observation: [Float], explores: Bool, using random: inout RandomSource) -> Decision {
        guard actions.isDiscrete else { return Decision(values: Array(parameters.values), logProbability: 0, value: 0) }
        let choice = explores ? draw(from: parameters.values, &random) : likeliest(parameters.values)
        return Decision(choice: choice, logProbability: log(max(1e-30, Double(parameters.values[choice]))), value: 0)
    }
}
