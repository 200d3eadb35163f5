import Foundation
import Geometry
import Schema
import Signals
import SwiftProtobuf

/// The message by which Foxglove draws a reading, and the last part of its topic; nil for readings that it does not draw.
func drawing(of reading: SessionEvent.Reading, _ raw: RawReading) -> (name: String, message: any SwiftProtobuf.Message)? {
    let time = Google_Protobuf_Timestamp(nanoseconds: reading.time), frame = reading.coordinates?.name ?? reading.source
    switch raw.format {
    case "image/jpeg", "image/png":
        let image = Foxglove_CompressedImage.with {
            $0.timestamp = time
            $0.data = Data(raw.payload)
            $0.format = raw.format == "image/png" ? "png" : "jpeg"
            $0.frameID = frame
        }
        return ("image", image)
    case "image/x-rgb8", "image/x-gray8":
        let channels = raw.format == "image/x-rgb8" ? 3 : 1
        let image = Foxglove_RawImage.with {
            $0.timestamp = time
            $0.width = UInt32(clamping: raw.width)
            $0.height = UInt32(clamping: raw.height)
            $0.encoding = channels == 3 ? "rgb8" : "mono8"
            $0.step = UInt32(clamping: raw.width.multipliedReportingOverflow(by: channels).partialValue)
            $0.data = Data(raw.payload)
            $0.frameID = frame
        }
        return ("image", image)
    case "vector/f32le":
        guard let coordinates = reading.coordinates, let pose = Foxglove_Pose(raw.payload, coordinates) else { return nil }
        let message = Foxglove_PoseInFrame.with {
            $0.timestamp = time
            $0.frameID = frame
            $0.pose = pose
        }
        return ("pose", message)
    default: return nil
    }
}

extension Foxglove_Pose {
    /// A pose in metres and right-handed coordinates: of left-handed ones z is mirrored. Nil where the numbers are no pose.
    init?(_ payload: [UInt8], _ coordinates: Coordinates) {
        let x = floats(payload)
        guard x.allSatisfy(\.isFinite) else { return nil }
        var place: SIMD3<Double>, turn: SIMD4<Double>
        switch coordinates.layout {
        case .positionQuaternion where x.count == 7:
            place = SIMD3(x[0], x[1], x[2])
            turn = SIMD4(x[3], x[4], x[5], x[6])
        case .matrix where x.count == 12:
            guard let rotation = Rotation(rows: [SIMD3(x[0], x[1], x[2]), SIMD3(x[4], x[5], x[6]), SIMD3(x[8], x[9], x[10])]) else {
                return nil
            }
            place = SIMD3(x[3], x[7], x[11])
            turn = rotation.quaternion
        default: return nil
        }
        place *= coordinates.metres ?? 1
        if coordinates.handedness == .left {
            place.z = -place.z
            turn *= SIMD4(-1, -1, 1, 1)
        }
        self.init()
        (position.x, position.y, position.z) = (place.x, place.y, place.z)
        (orientation.x, orientation.y, orientation.z, orientation.w) = (turn.x, turn.y, turn.z, turn.w)
    }
}

/// The numbers of a vector, little-endian.
private func floats(_ payload: [UInt8]) -> [Double] {
    stride(from: 0, through: payload.count - 4, by: 4).map { at in
        Double(Float(bitPattern: payload[at..<at + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }))
    }
}

extension Google_Protobuf_Timestamp {
    init(nanoseconds: Int64) {
        let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        self.init(seconds: rest < 0 ? seconds - 1 : seconds, nanos: Int32(rest < 0 ? rest + 1_000_000_000 : rest))
    }

    /// Nil where it is not within the times that a session may have.
    var nanoseconds: Int64? {
        guard (0..<1_000_000_000).contains(nanos) else { return nil }
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflows) = product.addingReportingOverflow(Int64(nanos))
        return overflow || overflows ? nil : sum
    }
}
