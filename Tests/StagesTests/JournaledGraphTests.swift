import FilesTesting
import Forgetting
import Messaging
import Moments
import Pipeline
import PipelineTesting
import Schema
import Signals
import Statistics
import Testing
@testable import Configuration
@testable import Extract
@testable import Fuse
@testable import Ingest
@testable import Journal

/// Ingest, two extractors and fuse with journals, in one thread: messages wait in queues, are lost there, and the processes are killed, all
/// by a seed.
private struct JournaledGraph {
    enum Stage: CaseIterable { case ingest, text, vector, fuse }

    /// A publisher that is acknowledged and keeps what it has sent.
    struct Publisher {
        let name: String
        let readings: Int
        var acknowledged: UInt64 = 0
        var transmitted: UInt64 = 0
        var credit: UInt64 = 0
        var heard = Instant(nanoseconds: 0)
        var refused = 0
        var peer: Peer { Peer(Array(name.utf8)) }
    }

    let settings: GraphSettings
    var random: RandomSource
    var now = Instant(seconds: 1)
    var readings = MemoryJournal(), moments = MemoryJournal()
    var ingest: Harness<IngestProcessor>
    var extractors: [Harness<ExtractProcessor>]
    var fuse: Harness<FuseProcessor>
    var publishers: [Publisher]
    /// Messages on their way, by receiver and sender.
    var queues: [Stage: [Stage: [WireMessage]]] = [:]
    var epochs: UInt64 = 1
    var sequence: UInt64 = 0
    /// What the learner receives.
    var events: [MomentEvent] = []
    var kills = 0
    var lost = 0
    /// Whether readings and feedback are of all consent classes; else they name none.
    let mixesConsents: Bool

    init(seed: UInt64, publishers count: Int = 2, readings each: Int = 40, mixesConsents: Bool = false, in folder: Folder) throws {
        self.mixesConsents = mixesConsents
        random = RandomSource(seed: seed)
        var settings = GraphSettings()
        settings.mode = .live
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets, settings.model.classes) = (8, 16, 4)
        settings.model.senses = [.init(name: "vector", rows: 8, columns: 16, embedding: 4, hidden: 8)]
        (settings.learn.directory, settings.journal.directory) = (folder.path("checkpoint"), folder.path("journal"))
        (settings.journal.patience, settings.fuse.maximumLatency) = (60, 600)
        self.settings = settings
        publishers = (0..<count).map { Publisher(name: "source-\($0)", readings: each) }
        ingest = Self.ingest(settings, readings, epoch: 1, at: now)
        extractors = [try Self.extractor(settings, "text", at: now), try Self.extractor(settings, "vector", at: now)]
        fuse = try Self.fuse(settings, moments, at: now)
    }

    private static func ingest(_ settings: GraphSettings, _ journal: MemoryJournal, epoch: UInt64, at now: Instant)
        -> Harness<IngestProcessor>
    {
        Harness(IngestProcessor(IngestSettings(settings), epoch: epoch, wallOffset: 0, closer: "", journal: journal, at: now), at: now)
    }

    private static func extractor(_ settings: GraphSettings, _ modality: String, at now: Instant) throws -> Harness<ExtractProcessor> {
        Harness(try ExtractProcessor(ExtractSettings(settings), modality: modality), at: now)
    }

    private static func fuse(_ settings: GraphSettings, _ journal: MemoryJournal, at now: Instant) throws -> Harness<FuseProcessor> {
        Harness(try FuseProcessor(settings, clock: VirtualClock(), journal: journal), at: now)
    }

    // MARK: Faults

    mutating func kill(_ stage: Stage) throws {
        kills += 1
        epochs += 1
        queues[stage] = nil
        // What it has sent may be lost with it, from some message on.
        for receiver in Stage.allCases { lose(upTo: 3, from: stage, to: receiver) }
        switch stage {
        case .ingest:
            readings = readings.afterKill()
            ingest = Self.ingest(settings, readings, epoch: epochs, at: now)
        case .text: extractors[0] = try Self.extractor(settings, "text", at: now)
        case .vector: extractors[1] = try Self.extractor(settings, "vector", at: now)
        case .fuse:
            moments = moments.afterKill()
            fuse = try Self.fuse(settings, moments, at: now)
        }
    }

    mutating func lose(upTo most: Int, from sender: Stage, to receiver: Stage) {
        guard let waiting = queues[receiver]?[sender], !waiting.isEmpty else { return }
        let count = random.uniform(below: min(most, waiting.count) + 1)
        lost += count
        queues[receiver]?[sender]?.removeLast(count)
    }

    // MARK: Messages

    private mutating func send(_ outgoing: Outgoing, from sender: Stage, to receiver: Stage) throws {
        var message = outgoing.message
        sequence += 1
        message.stamp = Stamp(from: "stage", sequence: sequence)
        queues[receiver, default: [:]][sender, default: []].append(
            WireMessage(topic: outgoing.topic, header: try message.serializedBytes(), payload: outgoing.payload))
    }

    private mutating func pass(_ outputs: [IngestProcessor.Output]) throws {
        for output in outputs {
            switch output {
            case .sample(_, let topic, _):
                let receivers: [String: Stage] = ["sample.text/": .text, "sample.vector/": .vector]
                if let receiver = receivers[topic.name] { try send(output.outgoing, from: .ingest, to: receiver) }
            case .feedback: try send(output.outgoing, from: .ingest, to: .fuse)
            case .explain: break
            case .acknowledgement(let answer, let peer, _):
                guard let index = publishers.firstIndex(where: { $0.peer == peer }) else { break }
                if !answer.problem.isEmpty { publishers[index].credit = 0 }
                if answer.sequence > publishers[index].acknowledged { publishers[index].heard = now }
                publishers[index].acknowledged = max(publishers[index].acknowledged, answer.sequence)
                publishers[index].credit = UInt64(answer.credit)
                publishers[index].refused += answer.refused.count
                let sent = answer.again ? 0 : publishers[index].transmitted
                publishers[index].transmitted = max(publishers[index].acknowledged, sent)
            }
        }
    }

    private mutating func pass(_ outputs: [Outgoing], from stage: Stage) throws {
        for output in outputs {
            if let event = output.message as? MomentEvent {
                events.append(event)
            } else if output.message is Coverage {
                try send(output, from: .fuse, to: .ingest)
            } else if output.message is FeatureFrame {
                try send(output, from: stage, to: .fuse)
            }
        }
    }

    private mutating func deliver(from sender: Stage, to receiver: Stage) throws {
        guard let message = queues[receiver]?[sender]?.first else { return }
        queues[receiver]?[sender]?.removeFirst()
        switch receiver {
        case .ingest: try pass(ingest.send(try .init(message)))
        case .text: try pass(extractors[0].send(try .init(message)), from: .text)
        case .vector: try pass(extractors[1].send(try .init(message)), from: .vector)
        case .fuse: try pass(fuse.send(try .init(message)), from: .fuse)
        }
    }

    private mutating func wait(_ duration: Duration) throws {
        now = now + duration
        readings.makeDurable(readings.status.durable + UInt64(random.uniform(below: 6)))
        moments.makeDurable(moments.status.durable + UInt64(random.uniform(below: 6)))
        try pass(ingest.advance(by: duration))
        for (index, stage) in [Stage.text, .vector].enumerated() { try pass(extractors[index].advance(by: duration), from: stage) }
        try pass(fuse.advance(by: duration), from: .fuse)
    }

    /// What a publisher sends next: words, a vector, or feedback.
    private mutating func publish(_ index: Int) throws {
        let publisher = publishers[index]
        let next = publisher.transmitted + 1
        func stamp(_ sequence: UInt64) -> Stamp {
            var stamp = Stamp(from: publisher.name, sequence: sequence, epoch: 5, at: Instant(nanoseconds: Int64(sequence) * 100_000_000))
            stamp.clock = publisher.name
            return stamp
        }
        let isLate = now - publisher.heard > .seconds(1) && publisher.acknowledged < UInt64(publisher.readings)
        if publisher.credit == 0 || isLate {
            publishers[index].heard = now
            let greeting = Greeting.with { $0.stamp = stamp(publisher.acknowledged + 1) }
            return try pass(
                ingest.send(.acknowledged(.greeting(greeting), from: publisher.peer, bytes: 10)))
        }
        guard next <= min(UInt64(publisher.readings), publisher.acknowledged + publisher.credit) else { return }
        publishers[index].transmitted = next
        if next % 7 == 0 {
            let feedback = Feedback.with {
                ($0.stamp, $0.session, $0.label, $0.classes) = (stamp(next), publisher.name, 1, 4)
                $0.momentEnd = Int64(next - 1) * 100_000_000
                $0.consent = consent(of: next)
            }
            return try pass(ingest.send(.acknowledged(.feedback(feedback), from: publisher.peer, bytes: 100)))
        }
        let isText = next % 3 == 0
        let reading = SensorReading.with {
            ($0.stamp, $0.session) = (stamp(next), publisher.name)
            ($0.modality, $0.format) = isText ? ("text", "text/utf-8") : ("vector", "vector/f32le")
            if next % 4 == 1 { $0.ends = .explicit }
            $0.consent = consent(of: next)
        }
        let payload: Payload = isText ? Payload(Array("w".utf8)) : Payload([Float(next)])
        let message = try WireMessage(reading, on: Topics.sensor(reading.modality, publisher.name), payload: [payload])
        try pass(ingest.send(.acknowledged(.reading(reading, payload: message), from: publisher.peer, bytes: 100)))
    }

    /// Of most, that they may be shared, so that some moments are kept.
    private func consent(of sequence: UInt64) -> Consent {
        let classes: [Consent] = [.notStored, .share, .share, .sessionOnly, .share, .share, .learnHere, .share, .share, .share, .share]
        return mixesConsents ? classes[Int(sequence % 11)] : .unspecified
    }

    // MARK: Running

    var isDone: Bool { publishers.allSatisfy { $0.acknowledged == UInt64($0.readings) } }

    /// - Parameters:
    ///   - kills: how often a stage is killed, at random.
    ///   - losses: probability that messages of a queue are lost at a step.
    mutating func run(kills: Int, losses: Double, of stages: [Stage] = Stage.allCases) throws {
        var steps = 0
        while !isDone || self.kills < kills {
            steps += 1
            guard steps < 60_000 else { return }
            switch random.uniform(below: 10) {
            case 0...1: try publish(random.uniform(below: publishers.count))
            case 2: try wait(.milliseconds(1 + random.uniform(below: 20)))
            default:
                let receiver = Stage.allCases[random.uniform(below: 4)], sender = Stage.allCases[random.uniform(below: 4)]
                try deliver(from: sender, to: receiver)
                if random.uniform() < losses { lose(upTo: 4, from: sender, to: receiver) }
            }
            if self.kills < kills, random.uniform(below: 60) == 0 { try kill(stages[random.uniform(below: stages.count)]) }
        }
        // Until nothing moves any more: what is open ends by silence.
        for _ in 0..<1_500 {
            for receiver in Stage.allCases {
                for sender in Stage.allCases {
                    while queues[receiver]?[sender]?.isEmpty == false { try deliver(from: sender, to: receiver) }
                }
            }
            try wait(.milliseconds(20))
        }
    }

    // MARK: Judging

    struct Verdict {
        var accepted = 0
        var inNone: [UInt64] = []
        var inTwo: [UInt64] = []
        var givenUp: [String] = []
        var published = 0
        var publishedTwice = 0
        var isOrdered = true
        var feedback = 0
        /// Readings and feedback, and moments, of which only their places are in the journals.
        var withheld = 0, withheldMoments = 0
        /// Moments and feedback that are of a milder class than something that they are made of, or are stored though they may not be.
        var weakened: [String] = []
    }

    /// What is in the journals in the end.
    func verdict() throws -> Verdict {
        var verdict = Verdict(), expected: Set<UInt64> = [], labels: Set<UInt64> = [], times: [UInt64: (String, Int64)] = [:]
        var classes: [UInt64: Consent] = [:], withheldFeedback: Set<UInt64> = []
        for record in readings.records {
            let (entry, payload) = try JournalEntry.read(record.body)
            switch entry.input {
            case .reading(let reading):
                expected.insert(record.ordinal)
                times[record.ordinal] = (reading.session, reading.stamp.time)
                classes[record.ordinal] = reading.consent
                if !reading.consent.isKept { verdict.weakened.append("reading \(record.ordinal) is stored") }
            case .feedback(let feedback):
                labels.insert(record.ordinal)
                if !feedback.consent.isKept { verdict.weakened.append("feedback \(record.ordinal) is stored") }
            case .withheld(let withheld):
                verdict.withheld += 1
                classes[record.ordinal] = withheld.consent
                if withheld.modality.isEmpty {
                    labels.insert(record.ordinal)
                    withheldFeedback.insert(record.ordinal)
                } else {
                    expected.insert(record.ordinal)
                    times[record.ordinal] = (withheld.session, withheld.time)
                }
                if !payload.isEmpty || record.type != 6 { verdict.weakened.append("record \(record.ordinal) is more than a place") }
            default: break
            }
        }
        /// The classes of all readings of a session in a span of its time.
        func parts(_ session: String, after start: Int64, to end: Int64) -> [Consent] {
            times.filter { $0.value.0 == session && $0.value.1 > start && $0.value.1 <= end }.compactMap { classes[$0.key] }
        }
        verdict.accepted = expected.count
        var found: [UInt64: Int] = [:], newest: [String: Int64] = [:], seen: Set<UInt64> = []
        for record in moments.records {
            let event = try MomentRecord.event(in: record.body)
            for ordinal in event.decided.readings {
                found[ordinal, default: 0] += 1
                guard let (session, time) = times[ordinal] else { continue }
                if time <= newest[session] ?? .min || time > event.moment.end { verdict.isOrdered = false }
            }
            if case .withheld(let withheld)? = event.event {
                if withheld.ordinal > 0 { verdict.withheldMoments += 1 }
                let stored = try MomentRecord.read(record.body, limits: Limits())
                if case .withheld = stored.message {} else { verdict.weakened.append("event \(record.ordinal)") }
                if withheld.ordinal == 0 { verdict.feedback += labels.remove(withheld.journal) == nil ? -1_000 : 1 }
            }
            for one in [event.moment.consent, event.feedback.consent] where !one.isKept {
                verdict.weakened.append("event \(record.ordinal) is stored")
            }
            if event.moment.end > 0 { newest[event.moment.session] = event.moment.end }
            verdict.givenUp += event.decided.givenUp.map(\.reason)
            for one in event.decided.givenUp {
                if withheldFeedback.contains(one.reading) {
                    verdict.feedback += labels.remove(one.reading) == nil ? -1_000 : 1
                } else {
                    found[one.reading, default: 0] += 1
                }
            }
            if event.feedback.journal > 0 { verdict.feedback += labels.remove(event.feedback.journal) == nil ? -1_000 : 1 }
        }
        verdict.inNone = expected.filter { found[$0] == nil }.sorted()
        verdict.inTwo = found.filter { $0.value > 1 || !expected.contains($0.key) }.map(\.key).sorted()
        var starts: [String: Int64] = [:]
        for event in events {
            if case .moment(let moment)? = event.event, mixesConsents {
                let own = ConsentClass(moment.consent), made = parts(moment.session, after: starts[moment.session] ?? .min, to: moment.end)
                starts[moment.session] = max(starts[moment.session] ?? .min, moment.end)
                if let strictest = ConsentClass(.strictest(made)), own.map({ $0 > strictest }) ?? true {
                    verdict.weakened.append("\(moment.id) is \(moment.consent) of \(made)")
                }
            }
            verdict.published += 1
            if !seen.insert(event.position).inserted { verdict.publishedTwice += 1 }
        }
        verdict.publishedTwice += abs(events.count - moments.records.count)
        return verdict
    }
}

struct JournaledGraphTests {
    private func check(_ graph: inout JournaledGraph, kills: Int, losses: Double, _ what: Comment) throws {
        try graph.run(kills: kills, losses: losses)
        #expect(graph.isDone, what)
        let verdict = try graph.verdict()
        #expect(verdict.inNone == [] && verdict.inTwo == [], what)
        #expect(verdict.givenUp == [], what)
        #expect(verdict.isOrdered, what)
        #expect(verdict.publishedTwice == 0, what)
        let labels = graph.publishers.reduce(0) { $0 + $1.readings / 7 }
        #expect(verdict.feedback == labels, what)
        #expect(verdict.accepted == graph.publishers.reduce(0) { $0 + $1.readings } - labels, what)
    }

    @Test func withoutFaultsEachReadingIsInOneMoment() throws {
        let folder = Folder()
        var graph = try JournaledGraph(seed: 1, in: folder)
        try check(&graph, kills: 0, losses: 0, "no faults")
    }

    @Test(arguments: 1...12 as ClosedRange<UInt64>) func whatIsLostOnTheWayComesAgain(_ seed: UInt64) throws {
        let folder = Folder()
        var graph = try JournaledGraph(seed: seed, in: folder)
        try check(&graph, kills: 0, losses: 0.2, "seed \(seed)")
        #expect(graph.lost > 0, "seed \(seed)")
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>) func throughKillsOfAnyStageEachReadingIsInOneMoment(_ seed: UInt64) throws {
        let folder = Folder()
        var graph = try JournaledGraph(seed: seed, in: folder)
        try check(&graph, kills: 12, losses: seed % 2 == 0 ? 0.01 : 0, "seed \(seed)")
    }

    /// Whatever is lost and killed, no moment is of a milder class than any of its parts, and what may not be stored has a place in the
    /// journals and nothing else; each reading is still decided once.
    @Test(arguments: 1...24 as ClosedRange<UInt64>) func consentNeverWeakensOnItsWay(_ seed: UInt64) throws {
        let folder = Folder()
        var graph = try JournaledGraph(seed: seed, mixesConsents: true, in: folder)
        try graph.run(kills: seed % 3 == 0 ? 0 : 10, losses: seed % 2 == 0 ? 0.02 : 0)
        #expect(graph.isDone, "seed \(seed)")
        let verdict = try graph.verdict()
        #expect(verdict.weakened == [], "seed \(seed)")
        #expect(verdict.withheld > 10 && verdict.withheldMoments > 2, "seed \(seed)")
        #expect(verdict.withheldMoments < graph.events.count { $0.moment.ordinal > 0 }, "seed \(seed)")
        #expect(verdict.inNone == [] && verdict.inTwo == [], "seed \(seed)")
        // What came again without its content is in no moment, and that is its reason.
        #expect(Set(verdict.givenUp).subtracting(["withheld"]) == [], "seed \(seed)")
        #expect(verdict.publishedTwice == 0, "seed \(seed)")
        #expect(verdict.feedback >= 0, "seed \(seed)")
    }
}
