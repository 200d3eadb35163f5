import Applications
import Geometry
import Recordings
import Signals

/// The same log as a task: ten times a second how the camera has moved, seen by itself; the label, known half a second later, is where it
/// went meanwhile.
struct CameraMotions: Importer {
    static let summary = "the same as a task: where the camera goes within the next half second (7 classes), from how it moved"

    /// Seconds between moments, and to what is forecast; metres below which the camera stays.
    private static let interval = 0.1, horizon = 0.5, least = 0.05
    /// Seconds over which motion is measured.
    private static let spans = [0.1, 0.3]
    /// Stays; goes to the right, left, up, down, back, forward, as the camera sees it.
    private static let classes = 7

    private let poses: [CameraPose]

    init(path: String) throws { poses = try CameraPose.read(path: path) }

    let settings: [String] = []

    func write(to output: inout SessionOutput) throws {
        guard let first = poses.first, let last = poses.last else { return }
        var now = first.time + (Self.spans.max() ?? 0)
        while now + Self.horizon <= last.time {
            let pose = pose(at: now), end = time(now)
            try output.write(
                .reading(
                    .init(
                        time: end, session: "arkit", source: "camera", modality: "vector",
                        content: .payload(RawReading(vector: inputs(pose, at: now))), endsMoment: true)))
            let way = pose.rotation.inverse.rotate(self.pose(at: now + Self.horizon).position - pose.position)
            try output.write(
                .label(
                    .init(
                        time: end, session: "arkit", label: Self.direction(way), classes: Self.classes, knownAt: time(now + Self.horizon))))
            now += Self.interval
        }
    }

    /// Velocity and rate of rotation over the spans, in the camera's axes, and where up is.
    private func inputs(_ pose: CameraPose, at now: Double) -> [Float] {
        let motions = Self.spans.flatMap { span in
            let before = self.pose(at: now - span)
            let velocity = pose.rotation.inverse.rotate(pose.position - before.position) / span
            let spin = (before.rotation.inverse * pose.rotation).vector / span
            return [velocity.x, velocity.y, velocity.z, spin.x, spin.y, spin.z]
        }
        let up = pose.rotation.inverse.rotate(SIMD3(0, 1, 0))
        return (motions + [up.x, up.y, up.z]).map { Float($0) }
    }

    /// The newest pose at a time.
    private func pose(at time: Double) -> CameraPose {
        var low = 0, high = poses.count
        while low < high {
            let middle = (low + high) / 2
            if poses[middle].time <= time { low = middle + 1 } else { high = middle }
        }
        return poses[max(0, low - 1)]
    }

    private static func direction(_ way: SIMD3<Double>) -> Int {
        let axis = (0..<3).max { abs(way[$0]) < abs(way[$1]) } ?? 0
        return abs(way[axis]) < least ? 0 : 1 + 2 * axis + (way[axis] < 0 ? 1 : 0)
    }
}
