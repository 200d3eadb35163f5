import Foundation

/// A rotation, as a unit quaternion.
public struct Rotation: Sendable, Equatable {
    private var w: Double, v: SIMD3<Double>

    private init(_ w: Double, _ v: SIMD3<Double>) {
        let norm = (w * w + (v * v).sum()).squareRoot()
        (self.w, self.v) = (w / norm, v / norm)
    }

    /// Nil unless the rows are orthogonal, of length one and right-handed, within 2 %.
    public init?(rows m: [SIMD3<Double>]) {
        let lengths = m.map { ($0 * $0).sum() }, products = [(m[0] * m[1]).sum(), (m[0] * m[2]).sum(), (m[1] * m[2]).sum()]
        guard lengths.allSatisfy({ abs($0 - 1) < 0.02 }), products.allSatisfy({ abs($0) < 0.02 }), (cross(m[0], m[1]) * m[2]).sum() > 0
        else { return nil }
        let trace = m[0].x + m[1].y + m[2].z
        if trace > 0 {
            self.init(1 + trace, SIMD3(m[2].y - m[1].z, m[0].z - m[2].x, m[1].x - m[0].y))
        } else {
            // The largest diagonal element gives the largest component.
            let i = m[0].x >= m[1].y && m[0].x >= m[2].z ? 0 : m[1].y >= m[2].z ? 1 : 2
            let j = (i + 1) % 3, k = (i + 2) % 3
            var v = SIMD3<Double>.zero
            (v[i], v[j], v[k]) = (1 + m[i][i] - m[j][j] - m[k][k], m[i][j] + m[j][i], m[i][k] + m[k][i])
            self.init(m[k][j] - m[j][k], v)
        }
    }

    /// The rotation by a vector: its direction is the axis, its length the angle in radians.
    public init(vector: SIMD3<Double>) {
        let angle = (vector * vector).sum().squareRoot()
        self.init(cos(angle / 2), angle < 1e-9 ? vector / 2 : vector * (sin(angle / 2) / angle))
    }

    /// The vector of the rotation, of at most π.
    public var vector: SIMD3<Double> {
        let (w, v) = w < 0 ? (-w, -v) : (w, v), sine = (v * v).sum().squareRoot()
        return sine < 1e-9 ? 2 * v : v * (2 * atan2(sine, w) / sine)
    }

    /// In radians.
    public var angle: Double { (vector * vector).sum().squareRoot() }

    /// The unit quaternion x, y, z, w.
    public var quaternion: SIMD4<Double> { SIMD4(v, w) }

    public var inverse: Rotation { Rotation(w, -v) }

    /// First the right one, then the left one.
    public static func * (a: Rotation, b: Rotation) -> Rotation {
        Rotation(a.w * b.w - (a.v * b.v).sum(), a.w * b.v + b.w * a.v + cross(a.v, b.v))
    }

    public func rotate(_ x: SIMD3<Double>) -> SIMD3<Double> {
        let t = 2 * cross(v, x)
        return x + w * t + cross(v, t)
    }
}

/// The vector product.
public func cross(_ a: SIMD3<Double>, _ b: SIMD3<Double>) -> SIMD3<Double> {
    SIMD3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x)
}
