import FilesTesting
import Foundation
import Messaging
import Pipeline
import PipelineTesting
import Schema
import Senses
import SoundsTesting
import Statistics
import Synchronization
import Testing
import Wiring
@testable import Extract
@testable import Ingest
@testable import Signals

private let models = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../models").standardizedFileURL.path

private let hasModels = FileManager.default.fileExists(atPath: "\(models)/\(Whisper.fileName)") || nothingMayBeMissing

private func utterance(_ number: Int, source: String = "microphone") -> SpokenWords.Utterance {
    let sound = SpokenUtterance(samples: [Float(number)], begin: Int64(number) * 1_000, end: Int64(number) * 1_000 + 500)
    return SpokenWords.Utterance(sound, session: "table", source: source, arrived: 2_000_000_000)
}

@Suite struct SpokenWordsTests {
    private final class Published: Sendable {
        let readings = Mutex<[(SensorReading, String)]>([])
        func take(_ reading: SensorReading, _ text: String) { readings.withLock { $0.append((reading, text)) } }
        var texts: [String] { readings.withLock { $0.map(\.1) } }
    }

    private let published = Published()

    private func words(
        capacity: Int = 4, endsMoments: Bool = true, _ transcribe: @escaping @Sendable ([Float]) throws -> String
    ) -> SpokenWords {
        let clock = VirtualClock(at: Instant(nanoseconds: 3_500_000_000))
        return SpokenWords(
            capacity: capacity, endsMoments: endsMoments, clock: clock, transcribe: transcribe,
            publish: { [published] in published.take($0, $1) })
    }

    @Test func theWordsOfAnUtteranceAreAReadingThatEndsItsMoment() throws {
        let words = words { "number \(Int($0[0]))" }
        words.hear(utterance(7))
        words.drain()
        let (reading, text) = try #require(published.readings.withLock { $0.first })
        #expect(text == "number 7" && reading.session == "table" && reading.modality == "text" && reading.format == "text/utf-8")
        #expect(reading.stamp.source == "microphone-words" && reading.stamp.time == 7_500 && reading.stamp.clock.isEmpty)
        #expect(reading.ends == .utteranceEnd)
        let telemetry = words.telemetry
        #expect(telemetry.gauges == ["wordsWaiting": 0, "wordsPublished": 1, "wordsForeseen": 0] && telemetry.drops.total == 0)
        #expect(telemetry.latencies["words"]?.count == 1)
    }

    @Test func anUtteranceThatWasExpectedIsTranscribedOnce() throws {
        let count = Mutex(0)
        let words = words { sound in
            count.withLock { $0 += 1 }
            return "number \(Int(sound[0]))"
        }
        words.expect(utterance(7))
        words.drain()
        #expect(published.texts == [], "nobody knows yet that it ends")
        words.hear(utterance(7))
        words.drain()
        #expect(published.texts == ["number 7"] && count.withLock { $0 } == 1 && words.telemetry.gauges["wordsForeseen"] == 1)
        words.hear(utterance(7))
        words.drain()
        #expect(published.texts == ["number 7", "number 7"] && count.withLock { $0 } == 2)
    }

    @Test func anUtteranceThatWentOnIsTranscribedAnew() throws {
        let words = words { "\($0.count)" }
        var longer = utterance(7)
        longer.sound.samples.append(8)
        words.expect(utterance(7))
        words.hear(longer)
        words.expect(utterance(3, source: "other"))
        words.hear(utterance(3))
        words.drain()
        #expect(published.texts == ["2", "1"] && words.telemetry.gauges["wordsForeseen"] == 0)
    }

    @Test func whatCannotBeTranscribedInAdvanceIsTriedAgain() throws {
        struct Failure: Error {}
        let count = Mutex(0)
        let words = words { _ in
            if count.withLock({
                $0 += 1; return $0
            }) == 1 {
                throw Failure()
            }
            return "yes"
        }
        words.expect(utterance(1))
        words.hear(utterance(1))
        words.drain()
        #expect(published.texts == ["yes"] && words.telemetry.drops.total == 0)
        words.expect(utterance(2))
        words.hear(utterance(2))
        words.drain()
        #expect(published.texts == ["yes", "yes"] && words.telemetry.gauges["wordsForeseen"] == 1)
    }

    @Test func momentsGoOnWhereUtterancesDoNotEndThem() throws {
        let words = words(endsMoments: false) { _ in "yes" }
        words.hear(utterance(1))
        words.drain()
        #expect(published.readings.withLock { $0.first?.0.ends } == CutKind.none)
    }

    @Test func whereTranscribingIsSlowTheNewestAreKeptAndTheOthersCounted() {
        let begun = DispatchSemaphore(value: 0), goOn = DispatchSemaphore(value: 0)
        let words = words(capacity: 2) { samples in
            if samples[0] == 1 {
                begun.signal()
                goOn.wait()
            }
            return "\(Int(samples[0]))"
        }
        words.hear(utterance(1))
        begun.wait()
        for number in 2...6 { words.hear(utterance(number)) }
        #expect(words.telemetry.gauges["wordsWaiting"] == 2 && words.telemetry.drops[.overflow] == 3)
        goOn.signal()
        words.drain()
        #expect(published.texts == ["1", "5", "6"])
    }

    @Test func whatCannotBeTranscribedOrSentIsCounted() {
        struct Broken: Error {}
        let words = words { samples in
            if samples[0] == 1 { throw Broken() }
            return samples[0] == 2 ? "" : "three"
        }
        for number in 1...3 { words.hear(utterance(number)) }
        words.drain()
        #expect(published.texts == ["three"] && words.telemetry.drops[.unsent] == 1, "an utterance without words is no reading")
    }

    @Test func theSourceOfWordsIsAValidName() {
        #expect(SpokenWords.source(of: "cam") == "cam-words")
        let long = SpokenWords.source(of: String(repeating: "a", count: 64))
        #expect(TopicComponent.isValid(long) && long.hasSuffix("-words"))
    }

    @Test func wordsAreRefusedInLockstepAndWithoutTheirFiles() throws {
        var settings = ExtractSettings()
        settings.signals.audio.words = Whisper.name
        #expect(settings.problems == [])
        settings.mode = .lockstep
        #expect(settings.problems.map(\.key) == ["signals.audio.words"])
        settings.signals.audio.words = "ears"
        #expect(settings.problems.contains { "\($0)".contains("'ears', not one of none, whisper-tiny-en") })
        settings.mode = .live
        settings.signals.audio.words = Whisper.name
        settings.signals.audio.wordsDirectory = Folder().path
        #expect { try SpokenWords(settings, environment: [:], bus: MemoryBus()) } throws: { "\($0)".contains("'deploy/models senses'") }
    }

    /// Subscriptions come one after the other. The first words are sent long after ingest came, and nothing was sent before them.
    @Test func theFirstWordsReachIngest() async throws {
        let settings = ExtractSettings(), folder = Folder(), environment = ["XDG_RUNTIME_DIR": folder.path], bus = try ZeroMQBus()
        let publisher = try WordsPublisher(settings, environment, bus, epoch: 9)
        let endpoints = try settings.sensors(environment)
        let reading = SensorReading.with { $0.stamp.source = "microphone-words" }
        let nobody = #expect(throws: MessagingError.self) { try publisher.publish(reading, "lost") }
        #expect(nobody?.description.contains("ingest has not subscribed") == true)
        let listener = try bus.subscriber(to: [
            Subscription(endpoints, topics: ["cut.", "feedback.", "explain.", "greeting.", Topics.sensor.prefix], attachment: .bind)
        ])
        try await Task.sleep(for: .milliseconds(300))
        try publisher.publish(reading, "hello")
        var iterator = listener.makeAsyncIterator()
        let batch = await iterator.next(), message = try #require(batch)[0]
        #expect(message.topic == "sensor.text.microphone-words/" && Array(message.payload[0]) == Array("hello".utf8))
        publisher.close()
        listener.cancel()
        await bus.end()
    }

    /// Sounds go in at extract; a text comes out, which ingest takes and which cuts the moment where the utterance ended.
    @Test(.enabled(if: hasModels, "models/whisper-tiny.en.safetensors (deploy/models senses) is absent"))
    func anUtteranceInTheSoundOfASessionBecomesAReadingThatCutsItsMoment() async throws {
        var settings = ExtractSettings()
        settings.signals.audio.words = Whisper.name
        settings.signals.audio.wordsDirectory = models
        let environment = ["XDG_RUNTIME_DIR": "/tmp"], bus = MemoryBus()
        let listener = bus.subscriber(to: [
            Subscription(try settings.sensors(environment), topics: [Topics.sensor.prefix], attachment: .bind)
        ])
        let words = try SpokenWords(settings, environment: environment, bus: bus, epoch: 9)
        var extract = Harness(try ExtractProcessor(settings, modality: "audio", words: words))
        let silence = [Float](repeating: 0, count: 16_000), sound = silence + vowels() + silence
        for (index, start) in stride(from: 0, to: sound.count, by: 1_600).enumerated() {
            var sample = Sample.with {
                $0.arrived = Int64(index) * 100_000_000
                $0.reading.session = "table"
                $0.reading.modality = "audio"
                $0.reading.format = "audio/x-f32le"
                $0.reading.sampleRate = 16_000
            }
            sample.stamp = Stamp(from: "ingest", sequence: UInt64(index) + 1)
            sample.reading.stamp = Stamp(
                from: "microphone", sequence: UInt64(index) + 1, at: Instant(nanoseconds: Int64(index) * 100_000_000))
            let message = try WireMessage(sample, on: Topics.sample("audio"), payload: [Payload(Array(sound[start..<start + 1_600]))])
            extract.send(try ExtractProcessor.Input(message))
            extract.advance(by: .milliseconds(100))
        }
        #expect(extract.refusals == [] && extract.outputs.count == 40, "features come as they do without words")
        words.drain()
        #expect(extract.processor.telemetry.gauges["wordsPublished"] == 1)
        var iterator = listener.makeAsyncIterator()
        let batch = await iterator.next()
        let message = try #require(batch)[0]
        #expect(message.topic == "sensor.text.microphone-words/")
        #expect(String(decoding: Array(message.payload[0]), as: UTF8.self) == "That's what you're only")
        var ingestSettings = IngestSettings()
        ingestSettings.signals = SectionNames(modalities.map(\.key))
        var ingest = Harness(IngestProcessor(ingestSettings, epoch: 1, wallOffset: 0, closer: ""))
        ingest.send(try IngestProcessor.Input(message))
        #expect(ingest.refusals == [])
        let boundary = ingest.outputs.compactMap { output -> Boundary? in
            if case .sample(let sample, _, _) = output, case .boundary(let boundary) = sample.content { return boundary }
            return nil
        }.first
        #expect(boundary?.kind == .utteranceEnd && boundary?.session == "table")
        #expect(abs((boundary?.end ?? 0) - 3_200_000_000) < 150_000_000)
        listener.cancel()
    }

    /// A source that stops in the middle of an utterance has ended it.
    @Test(.enabled(if: hasModels, "models/silero-vad-16k.safetensors (deploy/models senses) is absent"))
    func aSourceThatFallsSilentHasEndedItsUtterance() throws {
        var settings = ExtractSettings()
        settings.signals.audio.wordsDirectory = models
        let words = words(capacity: 16) { "\($0.count)" }
        var extract = Harness(try ExtractProcessor(settings, modality: "audio", words: words))
        for source in 0..<20 {
            var sample = Sample.with {
                $0.arrived = 1_000_000_000
                $0.reading.session = "table"
                $0.reading.modality = "audio"
                $0.reading.format = "audio/x-f32le"
                $0.reading.sampleRate = 16_000
            }
            sample.stamp = Stamp(from: "ingest", sequence: UInt64(source) + 1)
            sample.reading.stamp = Stamp(from: "microphone\(source)", sequence: 1, at: Instant(nanoseconds: 0))
            extract.send(
                try ExtractProcessor.Input(
                    try WireMessage(sample, on: Topics.sample("audio"), payload: [Payload(Array(vowels()[..<11_200]))])))
        }
        words.drain()
        #expect(published.texts == [])
        extract.advance(by: .milliseconds(1_900))
        words.drain()
        #expect(published.texts == [])
        extract.advance(by: .milliseconds(200))
        words.drain()
        #expect(published.texts == [String](repeating: "11200", count: 16), "of twenty sources, those that came last are remembered")
    }
}
