/// Sixteen floats at a time, and what remains at the end of a run.

@inline(__always)
func sweep(_ count: Int, _ body: (_ place: Int, _ lanes: Int) -> Void) {
    var place = 0
    while place + 16 <= count {
        body(place, 16)
        place += 16
    }
    if place < count { body(place, count - place) }
}

@inline(__always)
func load(_ x: UnsafePointer<Float>, _ place: Int, _ lanes: Int) -> SIMD16<Float> {
    if lanes == 16 { return UnsafeRawPointer(x + place).loadUnaligned(as: SIMD16<Float>.self) }
    var loaded = SIMD16<Float>.zero
    for lane in 0..<lanes { loaded[lane] = x[place + lane] }
    return loaded
}

@inline(__always)
func load(_ x: UnsafeMutablePointer<Float>, _ place: Int, _ lanes: Int) -> SIMD16<Float> {
    load(UnsafePointer(x), place, lanes)
}

@inline(__always)
func store(_ y: SIMD16<Float>, _ x: UnsafeMutablePointer<Float>, _ place: Int, _ lanes: Int) {
    if lanes == 16 {
        UnsafeMutableRawPointer(x + place).storeBytes(of: y, as: SIMD16<Float>.self)
    } else {
        for lane in 0..<lanes { x[place + lane] = y[lane] }
    }
}

/// The sum of the lanes, in double precision.
@inline(__always)
func total(_ x: SIMD16<Float>) -> Double {
    var sum = 0.0
    for lane in 0..<16 { sum += Double(x[lane]) }
    return sum
}
