extension Optimizer {
    /// Copies the state of another optimiser of the same weights, as far as both have it: moments of the same name, and the step count
    /// if any moment was copied, so that running means continue. Adam and LAMB have the same moments; momentum has another.
    func carry(from other: Optimizer) {
        rateScale = other.rateScale
        skipped = other.skipped
        var isCarried = rule.moments.isEmpty
        for (name, store) in zip(rule.moments, moments) {
            guard let index = other.rule.moments.firstIndex(of: name) else { continue }
            let source = other.moments[index]
            for parameter in store.layout.parameters where source.layout[parameter.name] != nil {
                _ = store[parameter.name].update(from: source[parameter.name])
                isCarried = true
            }
        }
        if isCarried { steps = other.steps }
    }
}
