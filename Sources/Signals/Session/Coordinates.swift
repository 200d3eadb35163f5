import Statistics

/// The coordinates that the pose of a head or a camera is given in, as `CoordinateFrame` of the wire contract.
public struct Coordinates: Codable, Sendable, Equatable {
    /// What they are fixed to, for example `world`.
    public var name: String?
    /// Where x, y and z point, for example `right up back`.
    public var axes: String?
    public var handedness: Handedness?
    /// The length of a unit; nil: 1.
    public var metres: Double?
    /// Of a vector: which numbers it has; nil: it is no pose.
    public var layout: Layout?

    public enum Handedness: String, Choice {
        case right, left
    }

    public enum Layout: String, Choice {
        /// x, y, z of the position, then x, y, z, w of the rotation.
        case positionQuaternion
        /// 3 × 4 numbers, row by row: the rotation and, as the last column, the position.
        case matrix
    }

    public init(
        name: String? = nil, axes: String? = nil, handedness: Handedness? = nil, metres: Double? = nil, layout: Layout? = nil
    ) {
        (self.name, self.axes, self.handedness, self.metres, self.layout) = (name, axes, handedness, metres, layout)
    }
}

/// A camera without distortion, as `CameraIntrinsics` of the wire contract: numbers of pixels.
public struct Optics: Codable, Sendable, Equatable {
    public var focalX: Double, focalY: Double
    public var centerX: Double, centerY: Double
    /// The size of the picture that these pixels are of.
    public var width: Int, height: Int

    private enum CodingKeys: String, CodingKey {
        case width, height
        case focalX = "focal_x", focalY = "focal_y", centerX = "center_x", centerY = "center_y"
    }

    public init(focalX: Double, focalY: Double, centerX: Double, centerY: Double, width: Int, height: Int) {
        (self.focalX, self.focalY, self.centerX, self.centerY) = (focalX, focalY, centerX, centerY)
        (self.width, self.height) = (width, height)
    }
}
