import Schema
import Signals
import Statistics

extension SensorReading {
    /// The message of a reading of a session.
    /// - Parameters:
    ///   - raw: its payload, which is sent beside it.
    ///   - ends: how it ends its moment.
    package init(_ reading: SessionEvent.Reading, _ raw: RawReading, ends: CutKind) {
        self.init()
        stamp.source = reading.source
        stamp.time = reading.time
        stamp.clock = "session"
        session = reading.session
        modality = raw.modality
        format = raw.format
        width = UInt32(clamping: raw.width)
        height = UInt32(clamping: raw.height)
        channels = UInt32(clamping: raw.channels)
        sampleRate = UInt32(clamping: raw.sampleRate)
        domain = reading.domain ?? ""
        self.ends = ends
        if let coordinates = reading.coordinates { frame = CoordinateFrame(coordinates) }
        if let optics = reading.optics { camera = CameraIntrinsics(optics) }
        consent = Consent(named: reading.consent)
    }

    /// The event of a session that this message is with its payload.
    func event(_ payload: [UInt8]) -> SessionEvent.Reading {
        let raw = RawReading(
            modality: modality, format: format, width: Int(width), height: Int(height), channels: Int(channels),
            sampleRate: Int(sampleRate), payload: payload)
        var event = SessionEvent.Reading(
            time: stamp.time, session: session, source: stamp.source, modality: modality, content: .payload(raw),
            endsMoment: ends != .none, domain: domain.isEmpty ? nil : domain, coordinates: hasFrame ? frame.coordinates : nil,
            optics: hasCamera ? camera.optics : nil)
        event.consent = ConsentClass(consent)?.rawValue
        return event
    }
}

extension CoordinateFrame {
    init(_ coordinates: Coordinates) {
        self.init()
        name = coordinates.name ?? ""
        axes = coordinates.axes ?? ""
        handedness =
            switch coordinates.handedness {
            case nil: .unspecified
            case .left: .left
            case .right: .right
            }
        metres = coordinates.metres ?? 0
        layout =
            switch coordinates.layout {
            case nil: .none
            case .positionQuaternion: .positionQuaternion
            case .matrix: .matrix
            }
    }

    var coordinates: Coordinates {
        let handedness: Coordinates.Handedness? =
            switch self.handedness {
            case .right: .right
            case .left: .left
            default: nil
            }
        let layout: Coordinates.Layout? =
            switch self.layout {
            case .positionQuaternion: .positionQuaternion
            case .matrix: .matrix
            default: nil
            }
        return Coordinates(
            name: name.isEmpty ? nil : name, axes: axes.isEmpty ? nil : axes, handedness: handedness,
            metres: metres == 0 || !metres.isFinite ? nil : metres, layout: layout)
    }
}

extension CameraIntrinsics {
    init(_ optics: Optics) {
        self.init()
        (focalX, focalY, centerX, centerY) = (optics.focalX, optics.focalY, optics.centerX, optics.centerY)
        (width, height) = (UInt32(clamping: optics.width), UInt32(clamping: optics.height))
    }

    /// Nil where a number is not finite.
    var optics: Optics? {
        guard [focalX, focalY, centerX, centerY].allSatisfy(\.isFinite) else { return nil }
        return Optics(
            focalX: focalX, focalY: focalY, centerX: centerX, centerY: centerY, width: Int(width), height: Int(height))
    }
}
