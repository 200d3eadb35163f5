extension Optimizer {
    /// Takes over what another optimiser of the same weights remembers, as far as both keep it: moments by their names, and the count of steps where
    /// any was taken over, so that a running mean goes on as one. Adam and LAMB keep the same moments; momentum keeps one of its own.
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
