import MCAP
import Schema
import Signals
import Statistics
import SwiftProtobuf

/// The events of a session in an MCAP file: our own readings, cuts and labels, or, of a file that is not ours, the pictures and poses of
/// Foxglove's messages. All other messages are passed over.
///
/// Those of a session come in the order of the file; those of a graph, where one sender's messages arrive sooner than another's, and of
/// other programs' files in the order of their times.
struct RecordedEvents: IteratorProtocol {
    /// An event, and the path that its file had in a session directory.
    struct Entry {
        /// The number of the message, counted from 1.
        var number: Int
        var result: Result<SessionEvent, SignalRefusal>
        var file: String?
    }

    private var reader: MCAPReader
    private let modalities: Named<any Modality.Type>
    private var number = 0
    private var waiting: ArraySlice<(time: Int64, bytes: Int, entry: Entry)> = []
    private var waitingBytes = 0
    /// The events, and their bytes, that are read ahead to be put in order: as long as a label may come after its moment.
    private static let lookahead = 4096, lookaheadBytes = 1 << 26
    /// The name of the session of a file that is not ours.
    private static let session = "recording"

    /// - Throws: `missingFile` if the file cannot be opened or is no MCAP file.
    init(path: String, modalities: Named<any Modality.Type> = Signals.modalities) throws(SignalRefusal) {
        do {
            reader = try MCAPReader(path: path)
        } catch {
            throw SignalRefusal(.missingFile, "\(path): \(error)")
        }
        self.modalities = modalities
    }

    /// How the recording was made; nil for one that is not ours. Known after the first message.
    var kind: RecordingWriter.Kind? { reader.metadata[RecordingWriter.metadataName]?["kind"].flatMap(RecordingWriter.Kind.init) }

    mutating func next() -> Entry? {
        while waiting.count < Self.lookahead, waitingBytes < Self.lookaheadBytes, let entry = read() {
            guard kind != .session, case .success(let event) = entry.result else { return entry }
            let place = waiting.lastIndex { $0.time <= event.time }.map { $0 + 1 } ?? waiting.startIndex
            waiting.insert((event.time, event.bytes, entry), at: place)
            waitingBytes += event.bytes
        }
        guard let first = waiting.popFirst() else { return nil }
        waitingBytes -= first.bytes
        return first.entry
    }

    /// The next event in the order of the file.
    private mutating func read() -> Entry? {
        while let result = reader.next() {
            number += 1
            switch result {
            case .failure(let error): return Entry(number: number, result: .failure(SignalRefusal(.undecodable, error.description)))
            case .success(let message):
                do throws(SignalRefusal) {
                    guard let (event, file) = try event(of: message) else { continue }
                    return Entry(number: number, result: .success(event), file: file)
                } catch {
                    return Entry(number: number, result: .failure(error))
                }
            }
        }
        return nil
    }

    private func event(of message: MCAPMessage) throws(SignalRefusal) -> (SessionEvent, String?)? {
        guard message.channel.encoding == "protobuf", message.channel.metadata[RecordingWriter.copyKey] == nil else { return nil }
        switch message.channel.schema?.name {
        case RecordedReading.protoMessageName:
            let recorded: RecordedReading = try decode(message)
            return (.reading(try checked(recorded.reading.event(Array(recorded.payload)))), recorded.file.isEmpty ? nil : recorded.file)
        case Cut.protoMessageName:
            let cut: Cut = try decode(message)
            guard cut.kind != .end else { return nil }
            try check(cut.stamp.time, session: cut.session, domain: cut.domain)
            return (.cut(.init(time: cut.stamp.time, session: cut.session, domain: cut.domain.isEmpty ? nil : cut.domain)), nil)
        case RecordedFeedback.protoMessageName:
            guard let label = try label(try decode(message)) else { return nil }
            return (.label(label), nil)
        case let name? where kind == nil:
            guard let reading = try foreign(name, message) else { return nil }
            return (.reading(try checked(reading)), nil)
        default: return nil
        }
    }

    private func decode<Message: SwiftProtobuf.Message>(_ message: MCAPMessage) throws(SignalRefusal) -> Message {
        do {
            return try Message(serializedBytes: message.data)
        } catch {
            throw SignalRefusal(.undecodable, "a message of \(message.channel.topic.prefix(160)) is no \(Message.protoMessageName)")
        }
    }

    /// A label; nil for other feedback.
    private func label(_ recorded: RecordedFeedback) throws(SignalRefusal) -> SessionEvent.Label? {
        let feedback = recorded.feedback
        guard feedback.hasLabel else { return nil }
        try check(feedback.momentEnd, session: feedback.session, domain: recorded.domain)
        guard (1...65_536).contains(feedback.classes), feedback.label < feedback.classes else {
            throw SignalRefusal(.brokenLine, "the label \(feedback.label) is not one of \(feedback.classes) classes")
        }
        var label = SessionEvent.Label(
            time: feedback.momentEnd, session: feedback.session, label: Int(feedback.label), classes: Int(feedback.classes),
            knownAt: min(max(feedback.momentEnd, feedback.knownAt), .furthestTime),
            domain: recorded.domain.isEmpty ? nil : recorded.domain)
        label.consent = ConsentClass(feedback.consent)?.rawValue
        return label
    }

    /// A reading of a message that other programs write.
    private func foreign(_ name: String, _ message: MCAPMessage) throws(SignalRefusal) -> SessionEvent.Reading? {
        let source = Self.component(message.channel.topic)
        func reading(
            _ time: Google_Protobuf_Timestamp, _ frame: String, _ raw: RawReading, _ coordinates: Coordinates
        ) -> SessionEvent.Reading {
            var coordinates = coordinates
            if !frame.isEmpty { coordinates.name = frame }
            return .init(
                time: time.nanoseconds ?? Int64(clamping: message.logTime), session: Self.session, source: source, modality: raw.modality,
                content: .payload(raw), coordinates: coordinates == Coordinates() ? nil : coordinates)
        }
        switch name {
        case Foxglove_CompressedImage.protoMessageName:
            let image: Foxglove_CompressedImage = try decode(message)
            let format = "image/\(image.format == "jpg" ? "jpeg" : image.format)"
            return reading(
                image.timestamp, image.frameID, RawReading(modality: "image", format: format, payload: Array(image.data)), .init())
        case Foxglove_RawImage.protoMessageName:
            let image: Foxglove_RawImage = try decode(message)
            let formats = ["rgb8": ("image/x-rgb8", 3), "mono8": ("image/x-gray8", 1), "8UC1": ("image/x-gray8", 1)]
            guard let (format, channels) = formats[image.encoding] else {
                throw SignalRefusal(.unknownFormat, "a picture encoded as '\(image.encoding.prefix(32))'; rgb8 and mono8 are read")
            }
            let row = Int(image.width) * channels, step = Int(image.step), pixels = Array(image.data)
            let (size, overflows) = step.multipliedReportingOverflow(by: Int(image.height))
            guard step >= row, row > 0, !overflows, pixels.count >= size else {
                throw SignalRefusal(.wrongShape, "a picture of \(pixels.count) bytes for \(image.width) × \(image.height) pixels")
            }
            let packed = step == row ? pixels : (0..<Int(image.height)).flatMap { pixels[$0 * step..<$0 * step + row] }
            let raw = RawReading(
                modality: "image", format: format, width: Int(image.width), height: Int(image.height), payload: packed)
            return reading(image.timestamp, image.frameID, raw, .init())
        case Foxglove_PoseInFrame.protoMessageName:
            let pose: Foxglove_PoseInFrame = try decode(message)
            let place = pose.pose.position, turn = pose.pose.orientation
            let numbers = [place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w].map { Float($0) }
            return reading(
                pose.timestamp, pose.frameID, RawReading(vector: numbers), Coordinates(handedness: .right, layout: .positionQuaternion))
        default: return nil
        }
    }

    /// A topic as the name of a source: letters and digits, with `-` for runs of others.
    private static func component(_ topic: String) -> String {
        let words = topic.split { !($0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_")) }
        let name = String(words.joined(separator: "-").prefix(TopicComponent.maximumLength))
        return name.isEmpty ? "source" : name
    }

    private func checked(_ reading: SessionEvent.Reading) throws(SignalRefusal) -> SessionEvent.Reading {
        try check(reading.time, session: reading.session, domain: reading.domain ?? "")
        guard TopicComponent.isValid(reading.source) else {
            throw SignalRefusal(.brokenLine, "a source cannot be called '\(reading.source.prefix(64))'")
        }
        guard modalities[reading.modality] != nil else { throw SignalRefusal(.unknownModality, "'\(reading.modality.prefix(64))'") }
        return reading
    }

    private func check(_ time: Int64, session: String, domain: String) throws(SignalRefusal) {
        guard TopicComponent.isValid(session) else {
            throw SignalRefusal(.brokenLine, "a session cannot be called '\(session.prefix(64))'")
        }
        guard (-Int64.furthestTime...Int64.furthestTime).contains(time) else { throw SignalRefusal(.brokenLine, "a time of \(time) ns") }
        guard domain.utf8.count <= 256 else { throw SignalRefusal(.brokenLine, "a domain of \(domain.utf8.count) bytes") }
    }
}

extension SessionEvent {
    /// The size of its payload.
    fileprivate var bytes: Int {
        if case .reading(let reading) = self, case .payload(let raw) = reading.content { raw.payload.count } else { 0 }
    }
}
