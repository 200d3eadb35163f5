import Statistics

/// Renders camera frames of a scene, with camera shake, varying brightness and sensor noise.
struct TableCamera {
    /// Width and height in pixels.
    static let side = 48
    static let table: SIMD3<Float> = [28, 26, 24]
    private static let noise = 6.0
    static let radius: Float = 11

    /// The positions of the objects and the brightness; the same for all frames of a moment.
    struct Setting {
        let light: Float
        /// The shift of each object from the middle of its half of the picture, in pixels.
        let shifts: [SIMD2<Float>]

        init(random: inout RandomSource) {
            light = Float(random.uniform(in: 0.85..<1.1))
            shifts = (0..<2).map { _ in [Float(random.uniform(in: -1..<1)), Float(random.uniform(in: -2..<2))] }
        }
    }

    /// Renders a frame.
    /// - Parameter shake: shift of the whole picture, in pixels.
    static func frame(of scene: Scene, _ setting: Setting, shake: SIMD2<Float>, random: inout RandomSource) -> Pixels {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(3 * side * side)
        for y in 0..<side {
            for x in 0..<side {
                let place = 2 * x / side
                let middle = SIMD2<Float>(Float(12 + 24 * place), 24) + setting.shifts[place]
                let offset = SIMD2<Float>(Float(x), Float(y)) - middle - shake
                let covered = coverage(of: scene.things[place].shape, at: offset)
                let colour = table + (scene.things[place].colour.light - table) * covered
                bytes.append(contentsOf: sensed(colour * setting.light, random: &random))
            }
        }
        return Pixels(width: side, height: side, channels: 3, bytes: bytes)
    }

    /// A frame of a covered lens.
    static func darkness(random: inout RandomSource) -> Pixels {
        let bytes = (0..<side * side).flatMap { _ in sensed([5, 5, 5], random: &random, noise: 1) }
        return Pixels(width: side, height: side, channels: 3, bytes: bytes)
    }

    /// The fraction of a pixel covered by a shape, from 3 × 3 samples; `offset` is the pixel's corner relative to the shape's centre.
    private static func coverage(of shape: Shape, at offset: SIMD2<Float>) -> Float {
        guard (offset * offset).sum() < (radius + 3) * (radius + 3) * 2 else { return 0 }
        var inside: Float = 0
        for sample in 0..<9 {
            let within = SIMD2<Float>(Float(sample % 3), Float(sample / 3)) / 3 + 1 / 6
            let point = (offset + within) / radius
            if shape.contains(point.x, point.y) { inside += 1 }
        }
        return inside / 9
    }

    /// Adds noise: the sum of four uniform numbers, which approximates a normal one and is faster.
    private static func sensed(_ colour: SIMD3<Float>, random: inout RandomSource, noise: Double = noise) -> [UInt8] {
        let bits = random.next()
        let sum = (0..<4).reduce(0.0) { sum, part in sum + Double(bits >> UInt64(16 * part) & 0xFFFF) / 65_536 }
        let grain = Float((sum - 2) * 3.0.squareRoot() * noise)
        return (0..<3).map { UInt8(max(0, min(255, colour[$0] + grain))) }
    }
}
