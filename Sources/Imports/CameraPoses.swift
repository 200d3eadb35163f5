import Applications
import Geometry
import Recordings
import Signals

/// A log of ARKit-Data-Logger: each pose a reading, with its coordinates.
struct CameraPoses: Importer {
    static let summary = "camera poses of ARKit-Data-Logger: a text file with a time in nanoseconds and a 3 × 4 pose a line"
    /// ARKit's world: x to the right, y up against gravity, z towards the viewer, in metres.
    static let world = Coordinates(
        name: "world", axes: "right up back", handedness: .right, metres: 1, layout: .positionQuaternion)

    private let poses: [CameraPose]

    init(path: String) throws { poses = try CameraPose.read(path: path) }

    let settings: [String] = []

    func write(to output: inout SessionOutput) throws {
        for pose in poses {
            let numbers = [pose.position.x, pose.position.y, pose.position.z] + (0..<4).map { pose.rotation.quaternion[$0] }
            try output.write(
                .reading(
                    .init(
                        time: time(pose.time), session: "arkit", source: "camera", modality: "vector",
                        content: .payload(RawReading(vector: numbers.map { Float($0) })), coordinates: Self.world)))
        }
    }
}
