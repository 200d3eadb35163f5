import Tensors
import Testing
@testable import Layers

@Suite struct AttentionCacheTests {
    /// The rows visible after some replays that read rows numbered 1, 2, 3 …
    private func rows(length: Int, anchors: Int, appending counts: [Int]) -> [Float] {
        let graph = Graph<Float>(parameters: ParameterStore(ParameterLayout([])))
        let cache = AttentionCache(length: length, rows: 3, anchors: anchors, in: graph), fresh = graph.input([3, 2])
        let joined = cache.joined(fresh, in: graph)
        var next: Float = 1
        for count in counts + [0] {
            fresh.set((0..<6).map { next + Float($0 / 2) })
            graph.forward()
            cache.append(count)
            next += Float(count)
        }
        graph.forward()
        #expect(Array(joined.values.suffix(6)) == Array(fresh.values))
        return (0..<length).filter { cache.mask.values[$0] == 1 }.map { joined.values[2 * $0] }
    }

    @Test func rowsArePresentInOrder() {
        #expect(rows(length: 6, anchors: 2, appending: []) == [])
        #expect(rows(length: 6, anchors: 2, appending: [3]) == [1, 2, 3])
        #expect(rows(length: 6, anchors: 2, appending: [3, 1, 2]) == [1, 2, 3, 4, 5, 6])
    }

    @Test func theOldestButTheAnchorsMakeRoom() {
        #expect(rows(length: 6, anchors: 0, appending: [3, 3, 2]) == [3, 4, 5, 6, 7, 8])
        #expect(rows(length: 6, anchors: 2, appending: [3, 2, 3, 3]) == [1, 2, 8, 9, 10, 11])
        #expect(rows(length: 3, anchors: 2, appending: [3, 3]) == [1, 2, 6])
        #expect(rows(length: 2, anchors: 1, appending: [3, 3]) == [2, 6])
    }

    @Test func aClearedCacheIsEmpty() {
        let graph = Graph<Float>(parameters: ParameterStore(ParameterLayout([])))
        let cache = AttentionCache(length: 4, rows: 2, in: graph)
        cache.append(2)
        #expect(cache.count == 2)
        cache.clear()
        #expect(cache.count == 0)
        #expect(Array(cache.mask.values) == [0, 0, 0, 0, 1, 1])
    }
}
