import Messaging
import Schema
import Wiring

extension SensorReading {
    /// Checks what a reading says of its coordinates and its camera: that it is possible, agrees with itself, and has the handedness that
    /// is configured. A reading that says nothing is accepted.
    /// - Parameter payload: the reading's bytes.
    /// - Throws: `wrongHandedness`, `wrongShape`.
    func checkCoordinates(_ expected: CoordinateSettings.Handedness, _ payload: MessagePart) throws(Refusal) {
        if hasCamera, let problem = camera.problem(of: modality) { throw Refusal(.wrongShape, problem) }
        guard hasFrame else { return }
        guard frame.metres.isFinite, frame.metres >= 0 else { throw Refusal(.wrongShape, "a unit of \(frame.metres) metres") }
        let handedness = try frame.statedHandedness()
        if frame.layout != .none {
            guard modality == "vector", let numbers = frame.layout.numbers, payload.count == 4 * numbers else {
                throw Refusal(.wrongShape, "a \(modality.prefix(64)) of \(payload.count) bytes is no pose of this layout")
            }
            if frame.layout == .matrix, mirrors(payload) { throw Refusal(.wrongHandedness, "a matrix that mirrors is no rotation") }
        }
        switch (expected, handedness) {
        case (.right, .left), (.left, .right):
            throw Refusal(
                .wrongHandedness,
                "\(stamp.source.prefix(64)) is \(handedness == .left ? "left" : "right")-handed; coordinates.handedness is \(expected.rawValue)"
            )
        default: break
        }
    }

    /// Whether the rotation of a 3 × 4 matrix has a negative determinant.
    private func mirrors(_ payload: MessagePart) -> Bool {
        let x = payload.withUnsafeBytes { bytes in
            (0..<12).map { Double(Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))) }
        }
        return determinant(SIMD3(x[0], x[1], x[2]), SIMD3(x[4], x[5], x[6]), SIMD3(x[8], x[9], x[10])) < 0
    }
}

extension CoordinateFrame {
    /// The handedness that is stated, or that the axes have; nil: unknown.
    /// - Throws: `wrongShape` for axes that are none; `wrongHandedness` where both are given and differ.
    fileprivate func statedHandedness() throws(Refusal) -> Handedness? {
        let stated: Handedness? = handedness == .right || handedness == .left ? handedness : nil
        guard !axes.isEmpty else { return stated }
        let directions: [String: SIMD3<Double>] = [
            "right": [1, 0, 0], "left": [-1, 0, 0], "up": [0, 1, 0], "down": [0, -1, 0], "back": [0, 0, 1], "forward": [0, 0, -1],
        ]
        let words = axes.split(separator: " ").compactMap { directions[String($0)] }
        let volume = words.count == 3 ? determinant(words[0], words[1], words[2]) : 0
        guard volume != 0 else {
            throw Refusal(.wrongShape, "axes '\(axes.prefix(64))' are not three of right or left, up or down, forward or back")
        }
        let own: Handedness = volume > 0 ? .right : .left
        if let stated, stated != own {
            throw Refusal(.wrongHandedness, "axes '\(axes.prefix(64))' are not \(stated == .left ? "left" : "right")-handed")
        }
        return own
    }
}

extension PoseLayout {
    /// How many numbers a vector of this layout has; nil for none, and for a layout that is not known.
    fileprivate var numbers: Int? {
        switch self {
        case .positionQuaternion: 7
        case .matrix: 12
        default: nil
        }
    }
}

extension CameraIntrinsics {
    /// What is wrong with them; nil if nothing is.
    fileprivate func problem(of modality: String) -> String? {
        guard modality == "image" else { return "a \(modality.prefix(64)) has no camera" }
        guard focalX.isFinite, focalY.isFinite, focalX > 0, focalY > 0 else { return "focal lengths of \(focalX) and \(focalY) pixels" }
        guard centerX.isFinite, centerY.isFinite else { return "a centre at \(centerX), \(centerY)" }
        return width > 0 && height > 0 ? nil : "a camera of \(width) × \(height) pixels"
    }
}

private func determinant(_ a: SIMD3<Double>, _ b: SIMD3<Double>, _ c: SIMD3<Double>) -> Double {
    a.x * (b.y * c.z - b.z * c.y) - a.y * (b.x * c.z - b.z * c.x) + a.z * (b.x * c.y - b.y * c.x)
}
