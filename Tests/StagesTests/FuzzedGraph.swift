import Forgetting
import Foundation
import MessageFuzzing
import Messaging
import Pipeline
import PipelineTesting
import Schema
@testable import Configuration
@testable import Evaluate
@testable import Extract
@testable import Fuse
@testable import Ingest
@testable import Learn

import struct Statistics.RandomSource

/// A stage of a fuzzed graph: it processes a message as `Stage` does, without a bus.
private final class Station<P: Processor>: FuzzedStation {
    let name: String
    let prefixes: [String]
    private var processor: P
    private var sequences: SequenceTracker
    private var outbox: Outbox
    private(set) var refused = Drops()
    private(set) var taken = 0

    init(_ name: String, subscribesTo prefixes: [String], _ processor: P, mode: Mode, clock: VirtualClock) {
        self.name = name
        self.prefixes = prefixes
        self.processor = processor
        sequences = SequenceTracker(countsFromOne: mode == .lockstep)
        outbox = Outbox(source: name, epoch: 1, clock: clock)
    }

    func take(_ message: WireMessage, at now: Instant) -> [Outgoing] {
        do throws(Refusal) {
            guard Topics.family(of: message.topic) != nil else { throw Refusal(.unknownTopic, message.topic) }
            guard try sequences.accept(message.stamp(), on: message.topic) else { return [] }
            let outputs = try processor.process(P.Input(message), at: now)
            taken += 1
            return outputs.map(\.outgoing)
        } catch {
            refused.count(error.reason)
            return []
        }
    }

    func tick(at now: Instant) -> [Outgoing] { processor.tick(at: now).map(\.outgoing) }
    func finish(at now: Instant) -> [Outgoing] { processor.finish(at: now).map(\.outgoing) }

    func status() -> Status {
        let telemetry = processor.telemetry
        var status = Status.with { $0.stamp = Stamp(from: name, sequence: 1) }
        status.stage = name
        status.drops = telemetry.drops.byName
        status.gaps = sequences.gaps
        status.modelVersion = telemetry.modelVersion
        status.latency = telemetry.latencies.mapValues(Quantiles.init)
        status.gauges = telemetry.gauges
        return status
    }
}

protocol FuzzedStation: AnyObject {
    var name: String { get }
    var prefixes: [String] { get }
    var refused: Drops { get }
    /// Messages that were not refused.
    var taken: Int { get }
    func take(_ message: WireMessage, at now: Instant) -> [Outgoing]
    func tick(at now: Instant) -> [Outgoing]
    func finish(at now: Instant) -> [Outgoing]
    func status() -> Status
}

/// All stages of a graph connected directly, with publishers that send anything, and mutated copies of the stages' own messages.
///
/// The stages' messages are passed on unchanged, so that their states become complex; mutated copies are sent beside them. The same seed
/// gives the same run.
struct FuzzedGraph {
    private(set) var stations: [any FuzzedStation] = []
    private(set) var messages = 0
    private var mutator: HeaderMutator
    private let clock = VirtualClock(at: Instant(nanoseconds: 1_000_000_000))
    private var session: [String: Int64] = [:]
    private var sequences: [String: UInt64] = [:]
    private var moments: [String] = []
    private var decisions: [String] = []
    private var recent: [(topic: String, header: [UInt8], payload: [[UInt8]])] = []
    private let trace: FileHandle?

    /// - Parameter trace: a file that every message is written to before it is processed, to find the one that stopped the program.
    init(_ settings: GraphSettings, seed: UInt64, trace: String? = nil) throws {
        mutator = HeaderMutator(seed: seed)
        self.trace = trace.flatMap { path in
            FileManager.default.createFile(atPath: path, contents: nil) ? FileHandle(forWritingAtPath: path) : nil
        }
        func add<P: Processor>(_ name: String, _ prefixes: [String], _ processor: P) {
            stations.append(Station(name, subscribesTo: prefixes, processor, mode: settings.mode, clock: clock))
        }
        add(
            "ingest", ["sensor.", "cut.", "feedback.", "explain."],
            IngestProcessor(IngestSettings(settings), epoch: 1, wallOffset: 0, closer: "closer"))
        for modality in settings.extracted {
            add("extract-\(modality)", ["sample.\(modality)/"], try ExtractProcessor(ExtractSettings(settings), modality: modality))
        }
        add("fuse", ["feedback.", "explain.", "feature.", "model.update", "policy.update/"], try FuseProcessor(settings, clock: clock))
        add("learn", ["moment.", "order."], try LearnProcessor(settings, clock: clock))
        add("evaluate", ["moment.", "model.update"], try EvaluateProcessor(settings))
    }

    /// Sends until this many messages have been taken in or refused.
    mutating func run(messages limit: Int) throws {
        while messages < limit {
            clock.advance(by: .microseconds(mutator.random.uniform(below: mutator.chance(0.02) ? 3_000_000 : 20_000)))
            if mutator.chance(0.1) {
                for station in stations { try pass(station.tick(at: clock.now), from: station.name) }
            }
            try publish()
            if mutator.chance(0.02) { try beAnOperator() }
            if mutator.chance(0.2), !recent.isEmpty { try injectChanged(mutator.any(of: recent)) }
        }
        for station in stations {
            try pass(station.finish(at: clock.now), from: station.name)
            let status = station.status()
            let wire = WireMessage(topic: "status.\(station.name)/", header: try status.serializedBytes())
            _ = try wire.decode(Status.self)
        }
    }

    // MARK: Publishers

    private mutating func publish() throws {
        let name = mutator.any(of: ["a", "b", "kitchen"])
        session[name, default: 1_000_000_000] += Int64(mutator.random.uniform(below: 50_000_000))
        let time = mutator.chance(0.03) ? Int64(bitPattern: mutator.number()) : session[name, default: 0]
        switch mutator.random.uniform(below: 10) {
        case 0:
            let cut = Cut.with {
                $0.session = name; $0.kind = mutator.any(of: [.none, .explicit, .labelRequest, .utteranceEnd])
            }
            try publish(cut, on: "cut.\(name)/", from: "cutter", at: time)
        case 1: try publishFeedback(of: name, at: time)
        case 2:
            let request = ExplainRequest.with {
                $0.session = name; $0.moment = moments.last ?? "a/1"
            }
            try publish(request, on: "explain.\(name)/", from: "asker", at: time)
        default: try publishReading(of: name, at: time)
        }
    }

    private mutating func publishReading(of name: String, at time: Int64) throws {
        let modality = mutator.any(of: ["text", "text", "vector", "vector", "image", "audio"])
        let source = mutator.any(of: ["\(modality)-1", "\(modality)-2", "evil"])
        var reading = SensorReading.with {
            $0.session = name; $0.modality = modality
        }
        var payload: [UInt8] = []
        switch modality {
        case "text": (reading.format, payload) = ("text/utf-8", Array("word \(mutator.text())".utf8))
        case "vector":
            let values = (0..<4).map { _ in mutator.chance(0.02) ? Float(mutator.double()) : Float(mutator.random.normal()) }
            (reading.format, payload) = ("vector/f32le", values.flatMap { value in withUnsafeBytes(of: value.bitPattern) { Array($0) } })
        case "image":
            (reading.format, reading.width, reading.height) = (mutator.any(of: ["image/x-gray8", "image/png", "image/jpeg"]), 4, 4)
            payload = (0..<16).map { _ in UInt8(truncatingIfNeeded: mutator.random.next()) }
        default:
            (reading.format, reading.sampleRate) = (
                mutator.any(of: ["audio/x-s16le", "audio/x-f32le", "audio/wav"]), mutator.any(of: [8_000, 44_100, 1])
            )
            payload = (0..<1024).map { _ in UInt8(truncatingIfNeeded: mutator.random.next()) }
        }
        if mutator.chance(0.3) { reading.ends = mutator.any(of: [.utteranceEnd, .labelRequest, .explicit]) }
        if mutator.chance(0.1) { reading.domain = mutator.any(of: ["kitchen", "hall", "stairs"]) }
        try publish(reading, on: "sensor.\(modality).\(source)/", from: source, at: time, payload: [payload])
    }

    private mutating func publishFeedback(of name: String, at time: Int64) throws {
        var feedback = Feedback.with { $0.session = name }
        if mutator.chance(0.6) {
            (feedback.label, feedback.classes) = (UInt32(mutator.random.uniform(below: 4)), 4)
            feedback.moment = moments.isEmpty ? "" : mutator.any(of: moments)
            feedback.knownAt = time
        } else {
            feedback.reward = mutator.chance(0.1) ? mutator.double() : mutator.random.normal()
            feedback.decision = decisions.isEmpty ? "a/1/1" : mutator.any(of: decisions)
            feedback.session = feedback.decision.split(separator: "/").first.map(String.init) ?? name
            (feedback.terminal, feedback.truncated) = (mutator.chance(0.1), mutator.chance(0.05))
        }
        try publish(feedback, on: "feedback.\(name)/", from: "teacher", at: time)
    }

    private mutating func publish(_ message: some Stamped, on topic: String, from source: String, at time: Int64, payload: [[UInt8]] = [])
        throws
    {
        var message = message
        message.stamp = stamp(topic, from: source)
        message.stamp.time = time
        message.stamp.clock = mutator.chance(0.9) ? "device" : mutator.any(of: ["unix", "", "other"])
        var header: [UInt8] = try message.serializedBytes()
        var payload = payload
        if mutator.chance(0.1) { header = mutator.mutate(header) }
        if mutator.chance(0.05) { payload = mutator.mutate(payload: payload) }
        try deliver(topic, header, payload, fromOutside: true)
    }

    private mutating func beAnOperator() throws {
        var order = Order.with { $0.stamp = stamp("order.learn/", from: "operator") }
        switch mutator.random.uniform(below: 7) {
        case 0: order.forgetSource = mutator.any(of: ["a", "b", mutator.text()])
        case 1: order.switchStrategy = mutator.any(of: ["ewc", "rehearsal", "never", "", mutator.text()])
        case 2: order.switchOptimizer = mutator.any(of: ["adam", "sgd", "lamb", mutator.text()])
        case 3: order.scaleRate = mutator.double()
        case 4: order.resetSession = mutator.any(of: ["a", "b", mutator.text()])
        case 5: order.resetAll = true
        default: order.rollBack = true
        }
        if mutator.chance(0.3) { order.settings = mutator.any(of: ["{}", "{\"rate\": 1e300}", "[1", mutator.text()]) }
        try deliver(
            "order.learn/", mutator.chance(0.2) ? mutator.mutate(order.serializedBytes()) : order.serializedBytes(), [], fromOutside: true)
    }

    // MARK: Between stages

    private mutating func pass(_ outputs: [Outgoing], from source: String) throws {
        for output in outputs {
            var message = output.message
            if message.stamp.source.isEmpty {
                message.stamp = stamp(output.topic, from: source)
            } else {
                message.stamp.schemaVersion = schemaVersion
            }
            message.stamp.sequence = next(output.topic, from: message.stamp.source)
            (message.stamp.epoch, message.stamp.clock) = (1, message.stamp.clock.isEmpty ? "virtual" : message.stamp.clock)
            remember(message)
            let payload = output.payload.map { $0.withUnsafeBytes { Array($0) } }
            let header: [UInt8] = try message.serializedBytes()
            if mutator.chance(0.1) || recent.count < 8 { recent.append((output.topic, header, payload)) }
            if recent.count > 64 { recent.remove(at: mutator.random.uniform(below: 64)) }
            try deliver(output.topic, header, payload, fromOutside: false)
        }
    }

    private mutating func remember(_ message: any Stamped) {
        if let event = message as? MomentEvent, case .moment(let moment)? = event.event { moments = moments.suffix(15) + [moment.id] }
        if let action = message as? Action { decisions = decisions.suffix(15) + [action.decision] }
    }

    /// Sends a mutated copy of a stage's message, mostly under another source, so that its sequence number is accepted.
    private mutating func injectChanged(_ original: (topic: String, header: [UInt8], payload: [[UInt8]])) throws {
        var header = mutator.mutate(original.header)
        if mutator.chance(0.3) { header = mutator.mutate(header) }
        if mutator.chance(0.9) {
            // A later field of an encoded message overrides an earlier one.
            let envelope = Envelope.with { $0.stamp = stamp(original.topic, from: mutator.any(of: ["evil", "evil-2"])) }
            header += try envelope.serializedBytes()
        }
        try deliver(
            original.topic, header, mutator.chance(0.3) ? mutator.mutate(payload: original.payload) : original.payload, fromOutside: false)
    }

    /// Ingest subscribes to publishers only, the others to stages, and the learner also to operators.
    private mutating func deliver(_ topic: String, _ header: [UInt8], _ payload: [[UInt8]], fromOutside: Bool) throws {
        let wire = WireMessage(topic: topic, header: header, payload: payload.map { Payload($0) })
        for station in stations where station.prefixes.contains(where: topic.hasPrefix) {
            guard (station.name == "ingest") == fromOutside || topic.hasPrefix("order.") else { continue }
            messages += 1
            trace?.write(
                Data(
                    ("\(messages) \(station.name) \(topic) \(Data(header).base64EncodedString()) "
                        + "\(payload.map { Data($0).base64EncodedString() })\n").utf8))
            try pass(station.take(wire, at: clock.now), from: station.name)
        }
    }

    private mutating func stamp(_ topic: String, from source: String) -> Stamp {
        var stamp = Stamp(from: source, sequence: next(topic, from: source))
        if mutator.chance(0.002) { stamp.sequence = mutator.number() }
        return stamp
    }

    private mutating func next(_ topic: String, from source: String) -> UInt64 {
        sequences["\(topic) \(source)", default: 0] += 1
        return sequences["\(topic) \(source)", default: 0]
    }
}
