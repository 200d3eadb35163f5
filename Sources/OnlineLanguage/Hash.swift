/// A hash of two numbers: multiplications by odd constants and shifts (D. Knuth, TAOCP 3, §6.4).
@inline(__always)
func hash(_ a: UInt64, _ b: UInt64) -> UInt64 {
    var h = (a ^ a >> 29) &* 0x9E37_79B9_7F4A_7C15 &+ b
    h = (h ^ h >> 31) &* 0xD6E8_FEB8_6659_FD93
    return h ^ h >> 32
}

@inline(__always)
func hash(_ a: UInt64, _ b: UInt64, _ c: UInt64) -> UInt64 { hash(hash(a, b), c) }
