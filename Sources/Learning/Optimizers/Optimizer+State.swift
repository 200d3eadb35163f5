import Statistics
import Tensors

extension Optimizer {
    /// The state of an optimiser. A restored optimiser continues exactly.
    public struct State: Sendable, Equatable {
        /// The state without the moments.
        public struct Progress: Codable, Sendable, Equatable {
            /// Steps taken.
            public var steps: Int
            /// Steps not taken because a gradient was not finite.
            public var skipped: Int
            /// The factor of the learning rate.
            public var rateScale: Double

            public init(steps: Int, skipped: Int, rateScale: Double) {
                self.steps = steps
                self.skipped = skipped
                self.rateScale = rateScale
            }
        }

        /// The state without the moments.
        public var progress: Progress
        /// The moments, by the names of moment and parameter: `first_moment.h.0.attn.c_attn.weight`.
        public var tensors: [String: [Float]]

        public init(progress: Progress, tensors: [String: [Float]]) {
            self.progress = progress
            self.tensors = tensors
        }
    }

    /// A saved state that does not fit this optimizer.
    public struct StateError: Error, Equatable, CustomStringConvertible {
        public let description: String

        public init(description: String) { self.description = description }
    }

    /// The state without the moments, which are read from `moments` when they are written to a file.
    var progress: State.Progress {
        get { .init(steps: steps, skipped: skipped, rateScale: rateScale) }
        set { (steps, skipped, rateScale) = (newValue.steps, newValue.skipped, newValue.rateScale) }
    }

    /// The current state.
    public var state: State {
        var tensors: [String: [Float]] = [:]
        for (moment, store) in zip(rule.moments, moments) {
            for parameter in store.layout.parameters { tensors["\(moment).\(parameter.name)"] = Array(store[parameter.name]) }
        }
        return State(progress: progress, tensors: tensors)
    }

    /// Restores a state.
    /// - Throws: `StateError`, if the state does not fit; nothing is changed then.
    public func restore(_ state: State) throws(StateError) {
        var places: [(UnsafeMutableBufferPointer<Float>, [Float])] = []
        for (moment, store) in zip(rule.moments, moments) {
            for parameter in store.layout.parameters {
                let name = "\(moment).\(parameter.name)"
                guard let numbers = state.tensors[name] else { throw StateError(description: "the optimizer's state lacks \(name)") }
                guard numbers.count == parameter.count else {
                    throw StateError(description: "the optimizer's \(name) holds \(numbers.count) numbers, not \(parameter.count)")
                }
                places.append((store[parameter.name], numbers))
            }
        }
        guard state.tensors.count == places.count else {
            let known = Set(zip(rule.moments, moments).flatMap { moment, store in store.layout.parameters.map { "\(moment).\($0.name)" } })
            let stray = state.tensors.keys.filter { !known.contains($0) }.min() ?? ""
            throw StateError(description: "the optimizer's state holds \(stray), which this one does not keep")
        }
        for (place, numbers) in places { _ = place.update(from: numbers) }
        steps = state.progress.steps
        skipped = state.progress.skipped
        rateScale = state.progress.rateScale
    }
}
