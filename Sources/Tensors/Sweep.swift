/// Loops over lanes, and what remains at the end of a row.
extension Scalar {
    /// Calls the body with a place and how many lanes of it count: all, except for the last.
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

    /// Makes numbers 0.
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

    /// Writes the numbers, or adds them to what is there.
    @inline(__always)
    static func store(
        _ y: Vector, to pointer: UnsafeMutablePointer<Self>, _ place: Int, _ count: Int, adding: Bool
    ) {
        store(adding ? load(pointer, place, count) + y : y, to: pointer, place, count)
    }
}
