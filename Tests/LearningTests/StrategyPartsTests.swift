import Learning
import Statistics
import Tensors
import Testing

private func store(_ numbers: [Float], frozen: Bool = false) -> ParameterStore<Float> {
    let learning = [Parameter("a", [2]), Parameter("b", [1])]
    let store = ParameterStore<Float>(ParameterLayout(frozen ? [Parameter("frozen", [1])] + learning : learning))
    _ = store.values.update(from: numbers)
    return store
}

@Suite struct StrategyPartsTests {
    @Test func anAverageFollowsSlowlyAndEverMoreSo() throws {
        let weights = store([0, 0, 0])
        let average = try WeightAverage(of: weights, decay: 0.5)
        weights.values.update(repeating: 1)
        average.update(from: weights)
        #expect(average.average.values.allSatisfy { abs($0 - 0.9) < 1e-6 })
        average.update(from: weights)
        #expect(average.average.values.allSatisfy { abs($0 - 0.981_818) < 1e-5 })
        for _ in 0..<20 { average.update(from: weights) }
        weights.values.update(repeating: 0)
        let before = average.average.values[0]
        average.update(from: weights)
        #expect(abs(average.average.values[0] - 0.5 * before) < 1e-6)
        #expect(throws: SettingsError.self) { try WeightAverage(of: weights, decay: 1) }
    }

    @Test func whatMatteredIsHeldAndTheRestIsFree() throws {
        let weights = store([9, 1, 1, 1], frozen: true), gradients = store([0, 0, 0])
        let held = ElasticPenalty(on: weights, gradients.layout, try .init(["elastic_strength": 10]))
        #expect(held.addPenalty(to: gradients) == 0)
        held.gather(store([1, 0, 2]))
        held.gather(store([3, 0, 0]))
        held.gather(store([.nan, 0, 0]))
        held.consolidate()
        #expect(Array(held.importance.values) == [5, 0, 2])
        _ = weights.values.update(from: [9, 2, 5, 0])
        let penalty = held.addPenalty(to: gradients)
        #expect(Array(gradients.values) == [50, 0, -20])
        #expect(penalty == 35)
    }

    @Test func oldImportanceFades() throws {
        let weights = store([0, 0, 0])
        let held = ElasticPenalty(on: weights, weights.layout, try .init(["elastic_fading": 0.5]))
        held.gather(store([2, 0, 0]))
        held.consolidate()
        held.gather(store([0, 1, 0]))
        held.consolidate()
        #expect(Array(held.importance.values) == [2, 1, 0])
    }
}
