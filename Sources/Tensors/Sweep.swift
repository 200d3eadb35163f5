/// Loops over a row in SIMD vectors, with a partial vector at the end.
extension Scalar {
    /// Calls the body with the offset of each vector and the number of its valid lanes: all, except possibly at the end.
    @inline(__always)
    static func sweep(_ range: Range<Int>, _ body: (_ place: Int, _ count: Int) -> Void) {
        let width = Vector.width
        var place = range.lowerBound
        while place + width <= range.upperBound {
            body(place, width)
            place += width
        }
        if place < range.upperBound { body(place, range.upperBound - place) }
    }

    /// Sets numbers to 0.
    @specialized(where Self == Float)
    static func clear(_ x: UnsafeMutablePointer<Self>, count: Int) { x.update(repeating: .zero, count: count) }

    @inline(__always)
    static func load(_ x: UnsafePointer<Self>, _ place: Int, _ count: Int, filling: Self = .zero) -> Vector {
        count == Vector.width ? Vector(load: x + place) : Vector(load: x + place, count: count, filling: filling)
    }

    @inline(__always)
    static func store(_ y: Vector, to pointer: UnsafeMutablePointer<Self>, _ place: Int, _ count: Int) {
        if count == Vector.width { y.store(to: pointer + place) } else { y.store(to: pointer + place, count: count) }
    }

    /// Writes the numbers, or adds them to those in memory.
    @inline(__always)
    static func store(
        _ y: Vector, to pointer: UnsafeMutablePointer<Self>, _ place: Int, _ count: Int, adding: Bool
    ) {
        store(adding ? load(pointer, place, count) + y : y, to: pointer, place, count)
    }
}
