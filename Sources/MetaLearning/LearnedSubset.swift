import Tensors

/// The positions of the learned parameters among all parameters, and arithmetic between stores of both layouts.
struct LearnedSubset {
    /// Runs of numbers: their offsets in a store of all parameters and in a store of the learned ones.
    private let runs: [(all: Int, learned: Int, count: Int)]

    init(_ learned: ParameterLayout, among all: ParameterLayout) {
        runs = zip(learned.parameters, learned.ranges).map { parameter, range in
            guard let place = all.range(of: parameter.name) else { preconditionFailure("\(parameter.name) is not among the parameters") }
            return (place.lowerBound, range.lowerBound, range.count)
        }
    }

    /// learned ← the learned parameters of all
    func gather<S>(_ all: ParameterStore<S>, into learned: ParameterStore<S>) {
        each(all, learned) { all, learned, count, _ in learned.update(from: all, count: count) }
    }

    /// all ← all − rates ⊙ gradients
    func descend<S>(_ all: ParameterStore<S>, along gradients: ParameterStore<S>, rates: ParameterStore<S>) {
        each(all, gradients) { all, gradient, count, offset in descendRun(all, gradient, rates.values.baseAddress! + offset, count) }
    }

    /// sum ← sum + from − to
    func addDifference<S>(from: ParameterStore<S>, to: ParameterStore<S>, into sum: ParameterStore<S>) {
        for run in runs {
            differenceRun(
                from.values.baseAddress! + run.all, to.values.baseAddress! + run.all, sum.values.baseAddress! + run.learned, run.count)
        }
    }

    /// dual ← values, with tangents rates ⊙ v
    func setTangents<S>(
        _ dual: ParameterStore<Dual<S>>, at values: ParameterStore<S>, along v: ParameterStore<S>, rates: ParameterStore<S>
    ) {
        each(dual, values) { dual, values, count, place in
            setTangentsRun(dual, values, v.values.baseAddress! + place, rates.values.baseAddress! + place, count)
        }
    }

    private func each<A, B>(
        _ all: ParameterStore<A>, _ learned: ParameterStore<B>,
        _ body: (UnsafeMutablePointer<A>, UnsafeMutablePointer<B>, _ count: Int, _ learned: Int) -> Void
    ) {
        for run in runs {
            body(all.values.baseAddress! + run.all, learned.values.baseAddress! + run.learned, run.count, run.learned)
        }
    }
}

extension ParameterStore {
    /// self ← self + other
    func add(_ other: ParameterStore) {
        guard let sum = values.baseAddress, let term = other.values.baseAddress else { return }
        addRun(sum, term, values.count)
    }

    /// self ← self − a ⊙ b
    func subtractProduct(_ a: ParameterStore, _ b: ParameterStore) {
        guard let sum = values.baseAddress, let a = a.values.baseAddress, let b = b.values.baseAddress else { return }
        descendRun(sum, a, b, values.count)
    }

    /// rates ← rates − v ⊙ the values of a gradient, then v ← v − its tangents, where v is self.
    func subtractTangents(of gradient: ParameterStore<Dual<S>>, rates: ParameterStore?) {
        guard let v = values.baseAddress, let dual = gradient.values.baseAddress else { return }
        if let rates = rates?.values.baseAddress { rateRun(rates, v, dual, values.count) }
        tangentRun(v, dual, values.count)
    }
}

@specialized(where S == Float)
private func descendRun<S: Scalar>(
    _ all: UnsafeMutablePointer<S>, _ gradient: UnsafeMutablePointer<S>, _ rates: UnsafeMutablePointer<S>, _ count: Int
) {
    for place in 0..<count { all[place] = all[place] - rates[place] * gradient[place] }
}

@specialized(where S == Float)
private func differenceRun<S: Scalar>(
    _ from: UnsafeMutablePointer<S>, _ to: UnsafeMutablePointer<S>, _ sum: UnsafeMutablePointer<S>, _ count: Int
) {
    for place in 0..<count { sum[place] = sum[place] + (from[place] - to[place]) }
}

@specialized(where S == Float)
private func setTangentsRun<S: Scalar>(
    _ dual: UnsafeMutablePointer<Dual<S>>, _ values: UnsafeMutablePointer<S>, _ v: UnsafeMutablePointer<S>,
    _ rates: UnsafeMutablePointer<S>, _ count: Int
) {
    for place in 0..<count { dual[place] = Dual(values[place], tangent: rates[place] * v[place]) }
}

@specialized(where S == Float)
private func addRun<S: Scalar>(_ sum: UnsafeMutablePointer<S>, _ term: UnsafeMutablePointer<S>, _ count: Int) {
    for place in 0..<count { sum[place] = sum[place] + term[place] }
}

@specialized(where S == Float)
private func rateRun<S: Scalar>(
    _ rates: UnsafeMutablePointer<S>, _ v: UnsafeMutablePointer<S>, _ dual: UnsafeMutablePointer<Dual<S>>, _ count: Int
) {
    for place in 0..<count { rates[place] = rates[place] - v[place] * dual[place].value }
}

@specialized(where S == Float)
private func tangentRun<S: Scalar>(_ v: UnsafeMutablePointer<S>, _ dual: UnsafeMutablePointer<Dual<S>>, _ count: Int) {
    for place in 0..<count { v[place] = v[place] - dual[place].tangent }
}

extension ParameterStore {
    /// dual ← self, with zero tangents
    func constants(into dual: ParameterStore<Dual<S>>) {
        guard let values = values.baseAddress, let dual = dual.values.baseAddress else { return }
        constantRun(values, dual, layout.count)
    }
}

@specialized(where S == Float)
private func constantRun<S: Scalar>(_ values: UnsafeMutablePointer<S>, _ dual: UnsafeMutablePointer<Dual<S>>, _ count: Int) {
    for place in 0..<count { dual[place] = Dual(values[place], tangent: .zero) }
}
