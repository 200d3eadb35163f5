/// The line below a cloud of points that lies nearest to them: what remains of delays when queueing is taken away.
///
/// Of all lines y = a + b·x that lie above no point it is the one with the least sum of distances; the edge of the lower convex hull over the mean
/// of x. Delays above the least one, however large, do not move it.  Moon, Skelly, Towsley: Estimation and Removal of Clock Skew from Network Delay
/// Measurements, https://doi.org/10.1109/INFCOM.1999.749287
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
    ///   - bucket: extent of x of which the lowest point is kept.
    ///   - capacity: buckets that are remembered.
    ///   - steepest: the greatest slope, up or down, that the line may have.
    public init(bucket: Double, capacity: Int, steepest: Double = .greatestFiniteMagnitude) {
        precondition(bucket > 0 && capacity > 1, "\(capacity) buckets of \(bucket)")
        self.bucket = bucket
        self.capacity = capacity
        self.steepest = steepest
    }

    public var isEmpty: Bool { points.isEmpty }
    /// From the oldest remembered x to the newest.
    public var extent: Double { (points.last?.x ?? 0) - (points.first?.x ?? 0) }

    /// Takes in a point; one that is not finite is passed over. An x below the newest bucket counts to the newest bucket.
    public mutating func add(x: Double, y: Double) {
        guard x.isFinite, y.isFinite else { return }
        guard let last = points.last, (x / bucket).rounded(.down) <= (last.x / bucket).rounded(.down) else {
            points.append(Point(x: x, y: y))
            if points.count > capacity { points.removeFirst() }
            return
        }
        if y < last.y { points[points.count - 1] = Point(x: last.x, y: y) }
    }

    /// The line as slope and value at `x`; flat through the lowest point where fewer than two buckets are known.
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
