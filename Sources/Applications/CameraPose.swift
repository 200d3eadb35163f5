import Files
import Foundation
import Geometry

/// Where a camera is and how it is turned, at a time.
public struct CameraPose: Sendable, Equatable {
    /// Seconds since the first pose.
    public var time: Double
    /// Metres in the world, whose y axis points up.
    public var position: SIMD3<Double>
    public var rotation: Rotation

    public init(time: Double, position: SIMD3<Double>, rotation: Rotation) {
        (self.time, self.position, self.rotation) = (time, position, rotation)
    }

    /// Why a file cannot be used.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Bounds of a file in bytes, and of a position's numbers in metres.
    public static let byteLimit = 1 << 28, positionLimit = 1e5

    /// Reads a file of ARKit-Data-Logger: in each line the time in nanoseconds and a 3 × 4 pose, row by row; lines that begin with # are
    /// comments.
    /// - Throws: what is wrong, in one sentence with its line: numbers missing or not finite, a time that does not grow, a matrix that is
    ///   no rotation.
    public static func read(path: String) throws -> [CameraPose] {
        let bytes: [UInt8]
        do { bytes = try readFile(path, atMost: byteLimit, streams: true) } catch {
            throw Failure(description: "cannot read \(path): \(error.cause)")
        }
        var poses: [CameraPose] = []
        var first: Double?
        for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            let words = line.split { [0x20, 0x09, 0x0D, 0x2C].contains($0) }
            guard let start = words.first, start.first != UInt8(ascii: "#") else { continue }
            let numbers = words.prefix(13).compactMap { Double(String(decoding: $0, as: UTF8.self)) }
            let place = "\(path), line \(index + 1)"
            guard words.count == 13, numbers.count == 13, numbers.allSatisfy(\.isFinite) else {
                throw Failure(description: "\(place): there should be a time and 12 finite numbers; the file may be cut off")
            }
            let time = (numbers[0] - (first ?? numbers[0])) * 1e-9
            first = first ?? numbers[0]
            guard poses.isEmpty || time > poses[poses.count - 1].time else {
                throw Failure(description: "\(place): the time does not grow")
            }
            let position = SIMD3(numbers[4], numbers[8], numbers[12])
            guard (abs(position.x), abs(position.y), abs(position.z)) < (positionLimit, positionLimit, positionLimit),
                max(abs(position.x), abs(position.y), abs(position.z)) < positionLimit
            else { throw Failure(description: "\(place): a position beyond \(Int(positionLimit)) metres") }
            let rows = [
                SIMD3(numbers[1], numbers[2], numbers[3]), SIMD3(numbers[5], numbers[6], numbers[7]),
                SIMD3(numbers[9], numbers[10], numbers[11]),
            ]
            guard let rotation = Rotation(rows: rows) else { throw Failure(description: "\(place): the 3 × 3 matrix is no rotation") }
            poses.append(CameraPose(time: time, position: position, rotation: rotation))
        }
        guard poses.count > 1 else { throw Failure(description: "\(path) has \(poses.count) poses; a forecast needs more") }
        return poses
    }
}

extension CameraPose {
    /// The pose at a time between two, by a straight way and a steady turn.
    static func between(_ a: CameraPose, _ b: CameraPose, at time: Double) -> CameraPose {
        let part = b.time > a.time ? max(0, min(1, (time - a.time) / (b.time - a.time))) : 0
        return CameraPose(
            time: time, position: a.position + part * (b.position - a.position),
            rotation: a.rotation * Rotation(vector: part * (a.rotation.inverse * b.rotation).vector))
    }
}
