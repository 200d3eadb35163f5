/// Loads and stores of sixteen floats.

@inline(__always)
func load(_ x: UnsafePointer<Float>, _ place: Int) -> SIMD16<Float> {
    UnsafeRawPointer(x + place).loadUnaligned(as: SIMD16<Float>.self)
}

@inline(__always)
func load(_ x: UnsafeMutablePointer<Float>, _ place: Int) -> SIMD16<Float> { load(UnsafePointer(x), place) }

@inline(__always)
func store(_ y: SIMD16<Float>, _ x: UnsafeMutablePointer<Float>, _ place: Int) {
    UnsafeMutableRawPointer(x + place).storeBytes(of: y, as: SIMD16<Float>.self)
}

/// The sum of the lanes, in double precision.
@inline(__always)
func total(_ x: SIMD16<Float>) -> Double {
    var sum = 0.0
    for lane in 0..<16 { sum += Double(x[lane]) }
    return sum
}
