import Foundation
import Messaging
import Schema
import Statistics
import Synchronization

/// An acknowledged publisher that keeps a record of what it sent.
struct RecordedPublisher: Sendable {
    struct Settings: Sendable {
        var number = 0
        var rate = 30.0
        var seed: UInt64 = 1
        /// Mean number of readings of a moment.
        var readingsPerMoment = 3
        /// Probability that the source's clock is set, by hours, before a reading.
        var jumps = 0.0
    }

    let source: String
    private(set) var sent: UInt64 = 0
    private(set) var acknowledged: UInt64 = 0
    /// What was refused, by sequence.
    private(set) var refused: [UInt64: String] = [:]
    private(set) var jumps = 0

    private struct Waiting {
        var payload: [UInt8]
        var time: Int64
        var endsMoment: Bool
    }

    /// How long until it greets again, and how long it waits at the end for what is not acknowledged.
    private static let patience = Duration.seconds(1), lastPatience = Duration.seconds(60)

    /// Sends vectors, of which some end a moment, until `isOver`, and returns when all are acknowledged or it has waited long enough.
    static func run(
        _ settings: Settings, to endpoint: Endpoint, until isOver: @escaping @Sendable () -> Bool
    ) async throws -> RecordedPublisher {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Swift.Result { try RecordedPublisher(settings).run(to: endpoint, settings, isOver) })
            }
        }
    }

    private init(_ settings: Settings) { source = Self.source(settings.number) }

    static func source(_ number: Int) -> String { "source-\(number)" }

    /// A reading's content says which it is: its source's number and its sequence number.
    private static func payload(_ number: Int, _ sequence: UInt64, _ random: inout RandomSource) -> [UInt8] {
        let known = [Float(number), Float(sequence / 1_000), Float(sequence % 1_000)]
        return (known + (3..<16).map { _ in Float(random.uniform()) }).flatMap { value in
            withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
        }
    }

    /// The source's number and the sequence number in the features of a reading: y = asinh(x) of each.
    static func content(_ features: ArraySlice<Float>) -> (number: Int, sequence: UInt64)? {
        let values = features.prefix(3).map { sinh(Double($0)).rounded() }
        guard values.count == 3, values.allSatisfy({ (0..<1e6).contains($0) }) else { return nil }
        return (Int(values[0]), UInt64(values[1]) * 1_000 + UInt64(values[2]))
    }

    private func run(to endpoint: Endpoint, _ settings: Settings, _ isOver: () -> Bool) throws -> RecordedPublisher {
        var state = self, random = RandomSource(seed: settings.seed), waiting: [UInt64: Waiting] = [:], offset: Int64 = 0
        let dealer = try Dealer(to: endpoint), epoch = UInt64(Date().timeIntervalSince1970 * 1e9)
        var transmitted: UInt64 = 0, credit: UInt64 = 0, heard = ContinuousClock.now, ended: ContinuousClock.Instant?
        var next = ContinuousClock.now
        func stamp(_ sequence: UInt64, _ time: Int64) -> Stamp {
            .with {
                ($0.schemaVersion, $0.source, $0.epoch, $0.sequence) = (schemaVersion, source, epoch, sequence)
                ($0.clock, $0.time) = ("own", time)
            }
        }
        func greet() throws {
            (heard, credit) = (.now, 0)
            let greeting: [UInt8] = try Greeting.with { $0.stamp = stamp(state.acknowledged + 1, 0) }.serializedBytes()
            _ = dealer.send("greeting.\(source)/", header: greeting)
        }
        func make() {
            state.sent += 1
            if settings.jumps > 0, random.uniform() < settings.jumps {
                state.jumps += 1
                offset += (random.uniform(below: 2) == 0 ? -1 : 1) * 3 * 3_600_000_000_000
            }
            waiting[state.sent] = Waiting(
                payload: Self.payload(settings.number, state.sent, &random),
                time: 1_000_000_000_000_000 + offset + Int64(state.sent) * 10_000_000,
                endsMoment: random.uniform(below: settings.readingsPerMoment) == 0)
        }
        try greet()
        while true {
            if isOver(), ended == nil { ended = .now }
            if let ended, state.acknowledged == state.sent || ContinuousClock.now - ended > Self.lastPatience { return state }
            // Made at a steady rate whether or not it may be sent; what waits is bounded by the rate and the graph's restarts.
            while ended == nil, ContinuousClock.now >= next {
                make()
                next += .seconds(1 / settings.rate)
            }
            while transmitted < min(state.sent, state.acknowledged + credit), let one = waiting[transmitted + 1] {
                transmitted += 1
                let reading = SensorReading.with {
                    $0.stamp = stamp(transmitted, one.time)
                    ($0.session, $0.modality, $0.format) = (source, "vector", "vector/f32le")
                    if one.endsMoment { $0.ends = .explicit }
                }
                _ = dealer.send("sensor.vector.\(source)/", header: try reading.serializedBytes(), payload: one.payload)
            }
            guard let answer = try dealer.receive(Acknowledgement.self, within: .milliseconds(5)) else {
                if state.acknowledged < state.sent, ContinuousClock.now - heard > Self.patience { try greet() }
                continue
            }
            guard answer.epoch == epoch, answer.problem.isEmpty else {
                if credit > 0 { try greet() }
                continue
            }
            if answer.sequence > state.acknowledged { heard = .now }
            for sequence in state.acknowledged..<max(state.acknowledged, answer.sequence) { waiting[sequence + 1] = nil }
            state.acknowledged = max(state.acknowledged, answer.sequence)
            for one in answer.refused { state.refused[one.sequence] = one.reason }
            credit = UInt64(answer.credit)
            transmitted = answer.again ? state.acknowledged : max(transmitted, state.acknowledged)
        }
    }
}
