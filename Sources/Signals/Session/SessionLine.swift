import Foundation
import Statistics

/// The JSON object of a line of `session.jsonl`.
struct SessionLine: Codable {
    /// Seconds.
    var t: Double
    var session: String
    var domain: String?
    var consent: String?

    var source: String?
    var modality: String?
    var file: String?
    var text: String?
    var values: [Double]?
    var ends: Bool?
    var coordinates: Coordinates?
    var camera: Optics?

    var label: Int?
    var classes: Int?
    var knownAt: Double?

    var cut: Bool?

    enum CodingKeys: String, CodingKey {
        case t, session, domain, consent, source, modality, file, text, values, ends, coordinates, camera, label, classes, cut
        case knownAt = "known_at"
    }

    init(t: Double, session: String, domain: String?) {
        self.t = t
        self.session = session
        self.domain = domain
    }

    /// - Throws: `brokenLine`.
    init(json: [UInt8]) throws(SignalRefusal) {
        do {
            self = try JSONDecoder().decode(SessionLine.self, from: Data(json))
        } catch DecodingError.keyNotFound(let key, _) {
            throw SignalRefusal(.brokenLine, "the key \(key.stringValue) is missing")
        } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
            throw SignalRefusal(.brokenLine, "\(context.codingPath.first?.stringValue ?? "the line"): \(context.debugDescription)")
        } catch DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty {
            throw SignalRefusal(.brokenLine, "\(context.codingPath[0].stringValue): \(context.debugDescription)")
        } catch {
            throw SignalRefusal(.brokenLine, "not a JSON object")
        }
    }

    /// - Throws: `brokenLine`, `unknownModality`, `pathOutside`.
    func event(_ modalities: Named<any Modality.Type> = Signals.modalities) throws(SignalRefusal) -> SessionEvent {
        let time = try nanoseconds(t, "t")
        try check(name: session, of: "session")
        if let domain, domain.utf8.count > 256 { throw SignalRefusal(.brokenLine, "a domain of \(domain.utf8.count) bytes") }
        if let consent, !Self.consents.contains(consent) {
            throw SignalRefusal(.brokenLine, "the consent '\(consent.prefix(64))' is none of \(Self.consents.joined(separator: ", "))")
        }
        switch (modality, label, cut) {
        case (let modality?, nil, nil):
            var reading = try reading(modality, time, modalities)
            reading.consent = consent
            return .reading(reading)
        case (nil, let label?, nil):
            var labelled = try labelled(label, time)
            labelled.consent = consent
            return .label(labelled)
        case (nil, nil, true): return .cut(.init(time: time, session: session, domain: domain))
        default: throw SignalRefusal(.brokenLine, "must have exactly one of modality, label and \"cut\": true")
        }
    }

    /// The names of the consent classes, from the strictest to the mildest.
    static let consents = ["notStored", "sessionOnly", "learnHere", "share"]

    private func reading(
        _ modality: String, _ time: Int64, _ modalities: Named<any Modality.Type>
    ) throws(SignalRefusal) -> SessionEvent.Reading {
        guard let type = modalities[modality] else { throw SignalRefusal(.unknownModality, "'\(modality.prefix(64))'") }
        guard let source else { throw SignalRefusal(.brokenLine, "the key source is missing") }
        try check(name: source, of: "source")
        let content: SessionEvent.Content
        func inLine(_ reading: RawReading) -> SessionEvent.Content {
            .payload(RawReading(modality: modality, format: type.formats.first ?? "", payload: reading.payload))
        }
        switch (file, text, values) {
        case (let file?, nil, nil):
            try SessionDirectory.check(path: file)
            content = .file(file)
        case (nil, let text?, nil) where type.place == .text: content = inLine(RawReading(text: text))
        case (nil, nil, let values?) where type.place == .values: content = inLine(RawReading(vector: values.map { Float($0) }))
        default:
            func names(_ place: SessionPlace) -> String { modalities.filter { $0.value.place == place }.map(\.key).joined(separator: ", ") }
            throw SignalRefusal(
                .brokenLine, "must have a file, a text of modality \(names(.text)), or values of modality \(names(.values))")
        }
        return .init(
            time: time, session: session, source: source, modality: modality, content: content, endsMoment: ends ?? false, domain: domain,
            coordinates: coordinates, optics: camera)
    }

    private func labelled(_ label: Int, _ time: Int64) throws(SignalRefusal) -> SessionEvent.Label {
        guard let classes, (1...65_536).contains(classes), (0..<classes).contains(label) else {
            throw SignalRefusal(
                .brokenLine, "the label \(label) is not one of \(classes.map(String.init) ?? "an unknown number of") classes")
        }
        let known = try knownAt.map { seconds throws(SignalRefusal) in try nanoseconds(seconds, "known_at") }
        guard known ?? time >= time else { throw SignalRefusal(.brokenLine, "known_at is before t") }
        return .init(time: time, session: session, label: label, classes: classes, knownAt: known, domain: domain)
    }

    private func nanoseconds(_ seconds: Double, _ key: String) throws(SignalRefusal) -> Int64 {
        let furthest = Double(secondsIn: .furthestTime)
        guard abs(seconds) <= furthest else {
            throw SignalRefusal(.brokenLine, "\(key) is \(seconds) seconds, at most \(furthest) either way")
        }
        return Int64(nanosecondsIn: seconds, rounded: .toNearestOrAwayFromZero)
    }

    private func check(name: String, of key: String) throws(SignalRefusal) {
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard isPlain, (1...64).contains(name.utf8.count) else {
            throw SignalRefusal(.brokenLine, "the \(key) '\(name.prefix(64))' is not 1 to 64 letters, digits, '-' and '_'")
        }
    }
}

extension SessionLine {
    /// The line of an event whose payload, if it goes to a file, went to `file`.
    init(_ event: SessionEvent, file: String? = nil, _ modalities: Named<any Modality.Type> = Signals.modalities) {
        switch event {
        case .reading(let reading):
            self.init(t: Double(secondsIn: reading.time), session: reading.session, domain: reading.domain)
            source = reading.source
            modality = reading.modality
            ends = reading.endsMoment ? true : nil
            coordinates = reading.coordinates
            camera = reading.optics
            consent = reading.consent
            switch reading.content {
            case .file(let path): self.file = path
            case .payload where file != nil: self.file = file
            case .payload(let raw) where modalities[raw.modality]?.place == .text: text = String(decoding: raw.payload, as: UTF8.self)
            case .payload(let raw):
                values = stride(from: 0, to: raw.payload.count / 4 * 4, by: 4).map { Double(raw.payload.float32(at: $0)) }
            }
        case .label(let label):
            self.init(t: Double(secondsIn: label.time), session: label.session, domain: label.domain)
            self.label = label.label
            classes = label.classes
            knownAt = label.knownAt == label.time ? nil : Double(secondsIn: label.knownAt)
            consent = label.consent
        case .cut(let cut):
            self.init(t: Double(secondsIn: cut.time), session: cut.session, domain: cut.domain)
            self.cut = true
        }
    }
}
