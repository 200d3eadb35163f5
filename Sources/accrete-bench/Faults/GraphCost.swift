import Foundation
import Messaging
import Schema
import Statistics

/// What a journal costs, or encryption: the same readings through a graph with it and without, in turns.
enum GraphCost: String {
    /// Of vectors of 64 bytes, over local sockets.
    case journal
    /// Of pictures of 64 KB: every endpoint is TCP, encrypted or plain, as between hosts.
    case keys
    /// The same where stages are on one host and reach each other by local sockets: publishers and subscribers connect over TCP.
    case keysOutside = "keys, outside"

    struct Round: Encodable {
        /// At a steady rate.
        var latency = PredictionWatch.Figures()
        /// With as many moments on their way as `onTheirWay`.
        var momentsPerSecond = 0.0
    }

    struct Result: Encodable {
        var of: String
        var without: [Round] = []
        var with: [Round] = []
        /// Medians over the rounds: throughput with it by that without in the round beside it; p50 with less that without, seconds.
        var throughputRatio = 0.0
        var p50Difference = 0.0

        var lines: [String] {
            func rates(_ rounds: [Round]) -> String { rounds.map { String(format: "%.0f", $0.momentsPerSecond) }.joined(separator: ", ") }
            return [
                "\(of): moments a second without \(rates(without)), with \(rates(with)): ratio "
                    + String(format: "%.3f", throughputRatio),
                "p50 of predictions without \(list(without.map(\.latency), \.p50)) ms, with \(list(with.map(\.latency), \.p50)) ms: "
                    + String(format: "%+.2f ms", 1e3 * p50Difference),
                "p99 of predictions without \(list(without.map(\.latency), \.p99)) ms, with \(list(with.map(\.latency), \.p99)) ms",
            ]
        }
    }

    /// Moments on their way at once where throughput is measured, and moments a second where latency is.
    private static let onTheirWay = 64, rate = 30.0

    func run(in directory: String, rounds: Int, _ seconds: Double, _ settings: [String]) async throws -> Result {
        var result = Result(of: rawValue)
        for round in 0..<rounds {
            for hasIt in round % 2 == 0 ? [false, true] : [true, false] {
                let one = try await measure(in: "\(directory)/\(round)-\(hasIt)", hasIt, seconds, settings)
                if hasIt { result.with.append(one) } else { result.without.append(one) }
            }
        }
        let pairs = zip(result.without, result.with)
        result.throughputRatio = pairs.map { $1.momentsPerSecond / max($0.momentsPerSecond, 1e-9) }.median
        result.p50Difference = pairs.map { $1.latency.p50 - $0.latency.p50 }.median
        return result
    }

    private func measure(in directory: String, _ hasIt: Bool, _ seconds: Double, _ settings: [String]) async throws -> Round {
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let graph: FaultyGraph, source: PlainPublisher, watch: PredictionWatch
        switch self {
        case .journal:
            graph = try FaultyGraph(in: directory, hasJournal: hasIt, settings)
        case .keys, .keysOutside:
            var own = ["model.senses=[{name: image, rows: 16, columns: 192}]"]
            if hasIt {
                _ = try KeyDirectory(directory + "/keys").add("camera", roles: [.publisher, .subscriber], sources: ["plain"])
                own.append("security.keys=\(directory)/keys")
            }
            graph = try FaultyGraph(in: directory, hasJournal: false, overTCP: self == .keys ? .all : .outside, own + settings)
        }
        defer { graph.stop() }
        try await Task.sleep(for: .seconds(5))
        let security =
            self != .journal && hasIt
            ? try Security(KeyDirectory(directory + "/keys"), name: "camera", rates: .init(messages: 1e5, bytes: 1e10)) : nil
        (watch, source) = (try PredictionWatch(graph, security), try PlainPublisher(graph, security, sendsPictures: self != .journal))
        try await Task.sleep(for: .seconds(1))
        var round = Round()
        for _ in 0..<Int(Self.rate * seconds) {
            try source.send()
            try await Task.sleep(for: .seconds(1 / Self.rate))
        }
        round.latency = watch.take()
        // A new one is sent for each that has come; one that was lost is replaced after a second.
        var sent = 0, newest = 0, moved = monotonicSeconds()
        let began = monotonicSeconds()
        while monotonicSeconds() - began < seconds {
            let come = watch.moments
            if come > newest { (newest, moved) = (come, monotonicSeconds()) }
            if monotonicSeconds() - moved > 1 { (sent, moved) = (come, monotonicSeconds()) }
            while sent - come < Self.onTheirWay {
                try source.send()
                sent += 1
            }
            try await Task.sleep(for: .microseconds(200))
        }
        round.momentsPerSecond = Double(watch.take().moments) / (monotonicSeconds() - began)
        await watch.end()
        return round
    }
}

/// A publisher that is not acknowledged: each of its readings ends a moment.
private final class PlainPublisher {
    private let publisher: any Publisher
    private var sequence: UInt64 = 0
    private let epoch = UInt64(Date().timeIntervalSince1970 * 1e9)
    private var random = RandomSource(seed: 1)
    private let sendsPictures: Bool

    /// The width and height of a picture of 64 KB.
    private static let side = 148

    init(_ graph: FaultyGraph, _ security: Security?, sendsPictures: Bool) throws {
        self.sendsPictures = sendsPictures
        publisher = try ZeroMQBus(security: security).publisher(.connect, [try graph.endpoint("sensors")])
    }

    func send() throws {
        sequence += 1
        let reading = SensorReading.with {
            $0.stamp = .with {
                ($0.schemaVersion, $0.source, $0.epoch, $0.sequence) = (schemaVersion, "plain", epoch, sequence)
                ($0.clock, $0.time) = ("own", Int64(sequence) * 10_000_000)
            }
            ($0.session, $0.modality, $0.format, $0.ends) = ("plain", "vector", "vector/f32le", .explicit)
            if sendsPictures {
                ($0.modality, $0.format, $0.width, $0.height) = ("image", "image/x-rgb8", UInt32(Self.side), UInt32(Self.side))
            }
        }
        let payload: Payload
        if sendsPictures {
            let colour = UInt8(random.uniform(below: 256))
            payload = Payload((0..<3 * Self.side * Self.side).map { UInt8(truncatingIfNeeded: $0) ^ colour })
        } else {
            payload = Payload((0..<16).map { _ in Float(random.uniform()) })
        }
        try publisher.service()
        _ = try publisher.publish("sensor.\(reading.modality).plain/", header: reading.serializedBytes(), payload: [payload])
    }
}
