import Statistics
import Tensors

extension Optimizer {
    /// All an optimizer remembers: restored, it goes on exactly where it was.
    public struct State: Sendable, Equatable {
        public struct Progress: Codable, Sendable, Equatable {
            public var steps: Int
            public var skipped: Int
            public var rateScale: Double

            public init(steps: Int, skipped: Int, rateScale: Double) {
                self.steps = steps
                self.skipped = skipped
                self.rateScale = rateScale
            }
        }

        public var progress: Progress
        /// By moment and parameter: `first_moment.h.0.attn.c_attn.weight`.
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

    /// Without the moments, which whoever writes them to a file reads where they are.
    var progress: State.Progress {
        get { .init(steps: steps, skipped: skipped, rateScale: rateScale) }
        set { (steps, skipped, rateScale) = (newValue.steps, newValue.skipped, newValue.rateScale) }
    }

    public var state: State {
        var tensors: [String: [Float]] = [:]
        for (moment, store) in zip(rule.moments, moments) {
            for parameter in store.layout.parameters { tensors["\(moment).\(parameter.name)"] = Array(store[parameter.name]) }
        }
        return State(progress: progress, tensors: tensors)
    }

    /// Nothing is changed unless everything fits.
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
