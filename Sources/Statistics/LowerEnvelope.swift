/// The lower envelope of points (x, y) as a line, used to estimate clock skew from message delays, whose queueing part is never negative.
///
/// Of all lines y = a + b·x that lie above no point, it is the one with the least sum of vertical distances: the edge of the lower convex
/// hull at the mean of x. Points above the envelope do not influence it, however far above they are.
/// Moon, Skelly, Towsley: Estimation and Removal of Clock Skew from Network Delay Measurements,
/// https://doi.org/10.1109/INFCOM.1999.749287
public struct LowerEnvelope: Sendable, Equatable {
    private struct Point: Equatable {
        var x: Double, y: Double
    }

    /// The lowest point of each bucket of x; the newest buckets only.
    private var points: [Point] = []
    private let bucket: Double
    private let capacity: Int
    private let steepest: Double

    /// - Parameters:
    ///   - bucket: width of a bucket in x; only the lowest point of each bucket is kept.
    ///   - capacity: the maximum number of buckets; the newest are kept.
    ///   - steepest: the maximum absolute slope of the line.
    public init(bucket: Double, capacity: Int, steepest: Double = .greatestFiniteMagnitude) {
        precondition(bucket > 0 && capacity > 1, "\(capacity) buckets of \(bucket)")
        self.bucket = bucket
        self.capacity = capacity
        self.steepest = steepest
    }

    public var isEmpty: Bool { points.isEmpty }
    /// The distance in x from the oldest bucket kept to the newest.
    public var extent: Double { (points.last?.x ?? 0) - (points.first?.x ?? 0) }

    /// Adds a point; one that is not finite is ignored. A point whose x lies below the newest bucket is added to the newest bucket.
    public mutating func add(x: Double, y: Double) {
        guard x.isFinite, y.isFinite else { return }
        guard let last = points.last, (x / bucket).rounded(.down) <= (last.x / bucket).rounded(.down) else {
            points.append(Point(x: x, y: y))
            if points.count > capacity { points.removeFirst() }
            return
        }
        if y < last.y { points[points.count - 1] = Point(x: last.x, y: y) }
    }

    /// The envelope's slope and its value at `x`; slope 0 with fewer than two buckets; nil before the first point.
    public func line(at x: Double) -> (slope: Double, value: Double)? {
        guard let first = points.first else { return nil }
        let hull = hull
        let mean = points.reduce(0) { $0 + $1.x } / Double(points.count)
        guard let next = hull.indices.dropFirst().first(where: { hull[$0].x >= mean }) else { return (0, first.y) }
        let (a, b) = (hull[next - 1], hull[next])
        let slope = (b.y - a.y) / (b.x - a.x)
        if abs(slope) <= steepest { return (slope, a.y + slope * (x - a.x)) }
        // The line of the greatest slope that touches the points from below.
        let bounded = slope < 0 ? -steepest : steepest
        return (bounded, points.map { $0.y + bounded * (x - $0.x) }.min() ?? a.y)
    }

    /// The lower convex hull, from left to right.  Andrew 1979, https://doi.org/10.1016/0020-0190(79)90072-3
    private var hull: [Point] {
        var hull: [Point] = []
        for point in points {
            while hull.count > 1 {
                let (a, b) = (hull[hull.count - 2], hull[hull.count - 1])
                let turn = (b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x)
                if turn > 0 { break }
                hull.removeLast()
            }
            hull.append(point)
        }
        return hull
    }
}
