import FilesTesting
import Forgetting
import Foundation
import Learning
import Messaging
import Model
import Pipeline
import PipelineTesting
import Schema
import Signals
import Testing
@testable import Configuration
@testable import Extract
@testable import Fuse
@testable import Ingest
@testable import Learn
@testable import Playback

/// What a recording's player publishes, and the resulting moments, in the graph and without one.
struct SessionScriptTests {
    private let folder = Folder()

    private func directory(_ lines: [String]) throws -> SessionDirectory {
        let path = folder.path("session-\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try lines.joined(separator: "\n").write(toFile: path + "/session.jsonl", atomically: true, encoding: .utf8)
        return try SessionDirectory(path: path)
    }

    private func text(_ t: Double, _ word: String, session: String = "s", ends: Bool = false, source: String = "speech") -> String {
        #"{"t": \#(t), "session": "\#(session)", "source": "\#(source)", "modality": "text", "text": "\#(word)", "ends": \#(ends)}"#
    }

    private func vector(_ t: Double, _ value: Double, session: String = "s", ends: Bool = false) -> String {
        #"{"t": \#(t), "session": "\#(session)", "source": "head", "modality": "vector", "values": [\#(value), 1], "ends": \#(ends)}"#
    }

    private func label(_ t: Double, _ label: Int, session: String = "s", knownAt: Double? = nil) -> String {
        #"{"t": \#(t), "session": "\#(session)", "label": \#(label), "classes": 4, "known_at": \#(knownAt ?? t), "domain": "of the label"}"#
    }

    /// The publications, in short form.
    private func published(_ lines: [String], maximumBytes: Int = 1 << 20) throws -> [String] {
        let directory = try directory(lines)
        var script = SessionScript(directory: directory, maximumBytes: maximumBytes), published: [String] = []
        func note(_ publications: [SessionScript.Publication]) {
            for one in publications {
                switch one {
                case .reading(let reading, _, let ends):
                    published.append("\(reading.source) \(Double(reading.time) / 1e9)" + (ends == .none ? "" : " \(ends)"))
                case .cut(let cut, let kind): published.append("cut \(cut.session) \(Double(cut.time) / 1e9) \(kind)")
                case .label(let label): published.append("label \(label.label)")
                case .refused(_, let refusal): published.append(refusal.reason.rawValue)
                }
            }
        }
        for case .success(let event) in try directory.events() {
            if script.beginsAnew(with: event) {
                note(script.finish())
                published.append("anew")
            }
            note(script.take(event))
        }
        note(script.finish())
        return published
    }

    @Test func readingsOfTheTimeAtWhichAMomentEndsBelongToIt() throws {
        #expect(
            try published([text(1, "a", ends: true), vector(1, 1), label(1, 2), label(1, 3), vector(2, 1)])
                == ["head 1.0", "speech 1.0 labelRequest", "label 2", "label 3", "head 2.0"])
        #expect(
            try published([text(1, "a", ends: true), vector(1, 1, ends: true), #"{"t": 1, "session": "s", "cut": true}"#])
                == ["speech 1.0", "head 1.0 utteranceEnd"])
        #expect(
            try published([
                text(1, "a", session: "x", ends: true), text(1, "b", session: "y", ends: true), label(1, 1, session: "x"),
                label(1, 2, session: "y"),
            ])
                == ["speech 1.0 labelRequest", "label 1", "speech 1.0 labelRequest", "label 2"])
    }

    @Test func aReadingThatIsTooLargeOrMissingIsRefusedAndItsMomentStillEnds() throws {
        let image = #"{"t": 1, "session": "s", "source": "camera", "modality": "image", "file": "none.png", "ends": true}"#
        #expect(try published([vector(0.5, 1), image, label(1, 3)]) == ["head 0.5", "missingFile", "cut s 1.0 labelRequest", "label 3"])
        #expect(
            try published([vector(0.5, 1), text(1, "much too long", ends: true), vector(2, 1)], maximumBytes: 8)
                == ["head 0.5", "tooLarge", "cut s 1.0 utteranceEnd", "head 2.0"])
    }

    @Test func labelsArePublishedWhenKnownAndAtLatestWhereTimesStartAgain() throws {
        #expect(
            try published([
                text(1, "a", ends: true), label(1, 3, knownAt: 3), text(2, "b", ends: true), label(2, 1, knownAt: 2.5), vector(4, 1),
            ])
                == ["speech 1.0 labelRequest", "speech 2.0 labelRequest", "label 1", "label 3", "head 4.0"])
        let first = (92..<100).map { vector(Double($0), 1) }, again = (0..<8).map { vector(Double($0) / 10, 1) }
        #expect(
            try published(first + [text(100, "a", ends: true), label(100, 2, knownAt: 200)] + again).dropFirst(8).prefix(4)
                == ["speech 100.0 labelRequest", "label 2", "anew", "head 0.0"])
    }

    // MARK: The same moments in the graph and without one

    private var settings: GraphSettings {
        var settings = GraphSettings()
        settings.mode = .lockstep
        settings.model.width = 8
        settings.model.heads = 2
        settings.model.layers = 1
        settings.model.classes = 4
        settings.model.senses = [.init(name: "vector", rows: 8, columns: settings.signals.vector.length, embedding: 4, hidden: 8)]
        settings.model.text.length = 16
        settings.model.text.buckets = 16
        return settings
    }

    /// The moments that ingest, the extractors and fuse make of a session, and what they refuse.
    private func graph(_ directory: SessionDirectory, _ settings: GraphSettings) throws -> (moments: [Moment], refusals: [String]) {
        var ingest = Harness(IngestProcessor(IngestSettings(settings), epoch: 1, wallOffset: 0, closer: "replay"))
        var extracts: [String: Harness<ExtractProcessor>] = [:]
        for modality in settings.extracted {
            extracts[modality] = Harness(try ExtractProcessor(ExtractSettings(settings), modality: modality))
        }
        var fuse = Harness(try FuseProcessor(settings, clock: MonotonicClock()))
        let published = PublishedParameters(try OnlineLearner(MultimodalModel(settings.model), settings.learner, seed: 1).parameters)
        let (payload, digest) = (published.payload, published.digest)
        let update = ModelUpdate.with {
            $0.stamp = Stamp(from: "learn", sequence: 1); $0.version = 1; $0.sha256 = digest
        }
        fuse.send(try .init(WireMessage(update, on: Topics.modelUpdate.only, payload: [payload])))

        var script = SessionScript(directory: directory, maximumBytes: settings.messaging.frameBytes), epoch: UInt64 = 1
        var sequence: UInt64 = 0
        func pass(_ outgoing: Outgoing?) throws {
            guard let outgoing else { return }
            sequence += 1
            for output in ingest.send(try .init(outgoing.stamped(sequence, epoch))) {
                let one = try output.outgoing.stamped(sequence, 1)
                if let names = Topics.sample.components(of: one.topic) {
                    for feature in try extracts[names[0]]?.send(.init(one)) ?? [] { fuse.send(try .init(feature.stamped(sequence, 1))) }
                } else {
                    fuse.send(try .init(one))
                }
            }
        }
        for case .success(let event) in try directory.events() {
            if script.beginsAnew(with: event) {
                for one in script.finish() { try pass(one.outgoing(from: "replay")) }
                epoch += 1
            }
            for one in script.take(event) { try pass(one.outgoing(from: "replay")) }
        }
        for one in script.finish() { try pass(one.outgoing(from: "replay")) }
        try pass(
            Outgoing(
                Cut.with {
                    $0.kind = .end; $0.session = "replay"; $0.stamp.clock = "session"
                }, on: try Topics.cut("replay")))
        let moments = fuse.outputs.compactMap {
            ($0.message as? MomentEvent).flatMap { if case .moment(let moment)? = $0.event { moment } else { nil } }
        }
        return (moments, (ingest.refusals + extracts.values.flatMap(\.refusals) + fuse.refusals).map(\.reason.rawValue))
    }

    private func compare(_ lines: [String], _ settings: GraphSettings, refusals: [String] = []) throws -> [Moment] {
        let directory = try directory(lines)
        let graph = try graph(directory, settings)
        func plain(_ moment: Moment) -> Moment {
            var moment = moment
            moment.arrived = 0
            return moment
        }
        let recorded = try RecordedMoments(directory.events(), directory: directory, settings).map { plain($0.moment) }
        #expect(graph.moments.map(plain) == recorded)
        #expect(graph.refusals == refusals)
        return recorded
    }

    @Test func aRecordingsMomentsAreTheGraphs() throws {
        let lines = [
            vector(0, 1), text(0.5, "left", ends: true), label(0.5, 1), vector(0.6, 2), vector(0.6, 3), text(1, "right", ends: true),
            vector(1, 4),
            #"{"t": 1.2, "session": "s", "source": "camera", "modality": "image", "file": "none.png", "ends": true}"#,
            "broken", label(1.4, 2, knownAt: 5), vector(2, 5, session: "other"),
            #"{"t": 2, "session": "other", "cut": true, "domain": "d"}"#,
            vector(3, 1), vector(20, 2), text(20, "open"),
            #"{"t": 21, "session": "s", "source": "microphone", "modality": "audio", "file": "none.wav", "ends": true}"#, vector(22, 9),
        ]
        let moments = try compare(lines, settings)
        #expect(
            moments.map(\.id) == [
                "s/500000000", "s/1000000000", "s/1200000000", "s/1400000000", "other/2000000000", "s/3000000000", "s/21000000000",
                "s/22000000000",
            ])
        #expect(moments.map(\.domain) == ["", "", "", "of the label", "d", "of the label", "of the label", "of the label"])
    }

    @Test(arguments: [3_540.0, 3_660, 172_800, 4e9])
    func aPauseOfAnyLengthKeepsAllMoments(pause: Double) throws {
        let lines = [0, 1, 2, 3].flatMap { index in
            let t = Double(index) + (index > 1 ? pause : 0)
            return [vector(t, Double(index)), text(t + 0.25, "word", ends: true), label(t + 0.25, index)]
        }
        let moments = try compare(lines, settings)
        #expect(moments.count == 4 && moments.allSatisfy { $0.senses.allSatisfy(\.present) })
    }

    @Test func aRecordingFromOneEndOfTimeToTheOther() throws {
        let lines = [-9e9, -4e9, 0, 4e9, 9e9].flatMap { [vector($0, 1), text($0, "word", ends: true)] }
        let moments = try compare(lines, settings)
        #expect(moments.map { Double($0.end) / 1e9 } == [-9e9, -4e9, 0, 4e9, 9e9])
    }

    @Test(arguments: [0.4, 30, 5_000])
    func aDeviceThatStartsAgainKeepsAllMoments(uptime: Double) throws {
        let lines = [uptime, 0].flatMap { start in
            (0..<10).flatMap { [vector(start + Double($0) / 50, 1), text(start + Double($0) / 50, "word", ends: true)] }
        }
        let moments = try compare(lines, settings)
        #expect(moments.count == 20 && moments.allSatisfy { $0.senses.allSatisfy(\.present) })
    }

    @Test func oneInvalidLineIsSkippedAndNoOther() throws {
        for wrong in [9e9, -9e9, 3_000, -3_000] {
            var lines = (0..<8).flatMap { [vector(Double($0), 1), text(Double($0) + 0.5, "word", ends: true)] }
            lines.insert(vector(wrong, 7), at: 9)
            #expect(try compare(lines, settings).map { Double($0.end) / 1e9 } == (0..<8).map { Double($0) + 0.5 })
        }
    }

    @Test func moreSessionsThanAreRememberedLoseNoMoment() throws {
        var settings = settings
        settings.cut.maximumSessions = 2
        settings.fuse.maximumSessions = 8
        let moments = try compare((0..<6).map { vector(Double($0), 1, session: "s\($0)") }, settings)
        #expect(moments.map(\.session) == (0..<6).map { "s\($0)" })
    }
}

extension Outgoing {
    /// The message as received.
    fileprivate func stamped(_ sequence: UInt64, _ epoch: UInt64) throws -> WireMessage {
        var message = message
        message.stamp.schemaVersion = schemaVersion
        if message.stamp.source.isEmpty { message.stamp.source = "replay" }
        message.stamp.sequence = sequence
        message.stamp.epoch = epoch
        return WireMessage(topic: topic, header: try message.serializedBytes(), payload: payload)
    }
}
