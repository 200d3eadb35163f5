import Learning

/// A number, or 0 if it is not finite, in which case the step it belongs to was skipped.
func finite(_ measure: Double) -> Double { measure.isFinite ? measure : 0 }

/// The state of a policy's learner beside the policy's parameters, by name.
public struct PolicyState: Sendable, Equatable {
    public var numbers: [String: Double]
    public var tensors: [String: [Float]]

    public init(numbers: [String: Double] = [:], tensors: [String: [Float]] = [:]) {
        self.numbers = numbers
        self.tensors = tensors
    }

    /// The numbers of a tensor; nil if it is missing, has another count, or a number is not finite.
    func numbers(_ name: String, _ count: Int) -> [Float]? {
        tensors[name].flatMap { $0.count == count && $0.allSatisfy(\.isFinite) ? $0 : nil }
    }

    /// Adds the state of an optimiser.
    mutating func keep(_ optimizer: Optimizer, as name: String) {
        let state = optimizer.state
        numbers["\(name).steps"] = Double(state.progress.steps)
        numbers["\(name).rate_scale"] = state.progress.rateScale
        for (moment, values) in state.tensors { tensors["\(name).\(moment)"] = values }
    }

    /// Restores an optimiser; it is left unchanged if its state is missing or does not match.
    func restore(_ optimizer: Optimizer, as name: String) {
        guard let steps = numbers["\(name).steps"].flatMap(Int.init(exactly:)), (0...1 << 62).contains(steps),
            let scale = numbers["\(name).rate_scale"], scale.isFinite
        else { return }
        let prefix = "\(name).", own = tensors.filter { $0.key.hasPrefix(prefix) }
        let moments = Dictionary(uniqueKeysWithValues: own.map { (String($0.key.dropFirst(prefix.count)), $0.value) })
        // `restore` changes nothing if it throws.
        try? optimizer.restore(Optimizer.State(progress: .init(steps: steps, skipped: 0, rateScale: scale), tensors: moments))
    }
}
