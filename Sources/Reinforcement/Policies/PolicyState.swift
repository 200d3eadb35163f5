import Learning

/// A measure of one step, as it is added to others: 0 where it is not finite, and the step was not taken.
func finite(_ measure: Double) -> Double { measure.isFinite ? measure : 0 }

/// What a policy's learner remembers, by name.
public struct PolicyState: Sendable, Equatable {
    public var numbers: [String: Double]
    public var tensors: [String: [Float]]

    public init(numbers: [String: Double] = [:], tensors: [String: [Float]] = [:]) {
        self.numbers = numbers
        self.tensors = tensors
    }

    /// The numbers of a tensor, where there are so many and all are finite.
    func numbers(_ name: String, _ count: Int) -> [Float]? {
        tensors[name].flatMap { $0.count == count && $0.allSatisfy(\.isFinite) ? $0 : nil }
    }

    /// Adds what an optimiser remembers.
    mutating func keep(_ optimizer: Optimizer, as name: String) {
        let state = optimizer.state
        numbers["\(name).steps"] = Double(state.progress.steps)
        numbers["\(name).rate_scale"] = state.progress.rateScale
        for (moment, values) in state.tensors { tensors["\(name).\(moment)"] = values }
    }

    /// Puts an optimiser back; one that is not there, or does not fit, begins anew.
    func restore(_ optimizer: Optimizer, as name: String) {
        guard let steps = numbers["\(name).steps"].flatMap(Int.init(exactly:)), (0...1 << 62).contains(steps),
            let scale = numbers["\(name).rate_scale"], scale.isFinite
        else { return }
        let prefix = "\(name).", own = tensors.filter { $0.key.hasPrefix(prefix) }
        let moments = Dictionary(uniqueKeysWithValues: own.map { (String($0.key.dropFirst(prefix.count)), $0.value) })
        // nothing changes unless all fits
        try? optimizer.restore(Optimizer.State(progress: .init(steps: steps, skipped: 0, rateScale: scale), tensors: moments))
    }
}
