import Tensors

/// The keys and values of one stream, in single precision. Its memory grows with use, up to a number of slots.
///
/// Keys lie in tiles of 16 slots, (D, 16), so that a query's scores need no sums across a vector; values row by row.
final class KeyValueCache {
    /// The maximal number of slots.
    let limit: Int
    /// The number of slots that memory is allocated for, a multiple of 16.
    private(set) var capacity = 0
    private let layers, groups, D: Int
    /// (layer, group, tile, D, 16)
    private var keys = Memory<Float>(0)
    /// (layer, group, slot, D)
    private var values = Memory<Float>(0)

    /// The slots of a tile, and of the first allocation.
    static let tile = 16, first = 64

    init(layers: Int, groups: Int, headWidth: Int, limit: Int) {
        (self.layers, self.groups, D, self.limit) = (layers, groups, headWidth, limit)
    }

    /// Makes room for a number of slots; what is stored remains.
    func reserve(_ slots: Int) {
        precondition(slots <= limit, "\(slots) keys in a cache of \(limit)")
        guard slots > capacity else { return }
        let wanted = min(max(slots, 2 * capacity, Self.first), limit)
        let larger = (wanted + Self.tile - 1) / Self.tile * Self.tile
        keys = moved(keys, to: larger)
        values = moved(values, to: larger)
        capacity = larger
    }

    private func moved(_ memory: Memory<Float>, to larger: Int) -> Memory<Float> {
        let new = Memory<Float>(layers * groups * larger * D)
        for place in 0..<layers * groups {
            (new.pointer + place * larger * D).update(from: memory.pointer + place * capacity * D, count: capacity * D)
        }
        return new
    }

    /// The tiles of a layer's group.
    func keys(layer: Int, group: Int) -> UnsafeMutablePointer<Float> { keys.pointer + (layer * groups + group) * capacity * D }

    /// The rows of a layer's group.
    func values(layer: Int, group: Int) -> UnsafeMutablePointer<Float> { values.pointer + (layer * groups + group) * capacity * D }

    func set(key: UnsafePointer<Float>, layer: Int, group: Int, slot: Int) {
        let (tile, place) = slot.quotientAndRemainder(dividingBy: Self.tile)
        let column = keys(layer: layer, group: group) + tile * Self.tile * D + place
        for d in 0..<D { column[d * Self.tile] = key[d] }
    }

    func set(value: UnsafePointer<Float>, layer: Int, group: Int, slot: Int) {
        (values(layer: layer, group: group) + slot * D).update(from: value, count: D)
    }
}
