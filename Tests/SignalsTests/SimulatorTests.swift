import Foundation
import Statistics
import Testing
@testable import Signals

@Suite struct SimulatorTests {
    /// A session that changes early, so that few moments contain everything.
    static let hurried = {
        var configuration = Simulator.Configuration()
        (configuration.newObjects, configuration.newWords, configuration.newSpeaker) = (12, 24, 36)
        (configuration.firstDropout, configuration.dropoutPeriod, configuration.dropoutLength) = (48, 14, 6)
        (configuration.framesPerSecond, configuration.longestMoment) = (4, 0.6)
        return configuration
    }()

    func moments(_ count: Int, seed: UInt64 = 7, _ configuration: Simulator.Configuration = hurried) throws -> [Simulator.Moment] {
        var simulator = try Simulator(seed: seed, configuration)
        return (0..<count).map { _ in simulator.next() }
    }

    @Test func theSameSeedGivesTheSameSession() throws {
        let events = try moments(10).map(\.events)
        #expect(try moments(10).map(\.events) == events)
        #expect(try moments(10, seed: 8).map(\.events) != events)
    }

    @Test func timeRunsOnAndEveryMomentEndsWithItsWordsAndLabel() throws {
        var last = Int64.min
        for moment in try moments(80) {
            for event in moment.events {
                #expect(event.time >= last)
                last = event.time
            }
            var ending = moment.events
            if let answer = moment.scene.answer {
                #expect(ending.popLast() == .label(.init(time: last, session: "table", label: answer, classes: 8)))
            }
            guard case .reading(let words) = ending.last else {
                Issue.record("moment \(moment.index) does not end with words")
                return
            }
            #expect(words.modality == "text" && words.endsMoment && words.time == last)
            #expect(!ending.contains { if case .label = $0 { true } else { false } })
        }
    }

    @Test func theWorldChangesAsItIsTold() throws {
        let moments = try moments(80)
        let changes = moments.flatMap(\.changes)
        #expect(
            changes == [
                "new objects", "new words", "a new speaker", "the camera is covered", "the camera is lost", "the camera is back",
                "the microphone is lost", "the microphone is back",
            ])
        for moment in moments {
            let heard = moment.events.contains { if case .reading(let reading) = $0 { reading.modality == "audio" } else { false } }
            let seen = moment.events.contains { if case .reading(let reading) = $0 { reading.modality == "image" } else { false } }
            #expect(heard == moment.world.hasSound && seen == (moment.world.camera != .lost))
        }
        #expect(moments.prefix(10).allSatisfy { $0.scene.things.allSatisfy { $0.colour != .yellow && $0.shape != .ring } })
        #expect(moments.dropFirst(14).contains { $0.scene.things.contains { $0.colour == .yellow } })
    }

    /// For every possible scene, all senses together determine the answer, and no two of them do.
    @Test func allSensesSettleTheAnswerAndNoTwoDo() throws {
        var asked = 0
        for moment in try moments(80) {
            let scene = moment.scene
            guard let answer = scene.answer else { continue }
            asked += 1
            #expect(answers(picture: scene.things, place: scene.meant, asked: scene.asked, in: moment.world) == [answer])
            #expect(answers(picture: nil, place: scene.meant, asked: scene.asked, in: moment.world).count == moment.world.colours)
            #expect(answers(picture: scene.things, place: nil, asked: scene.asked, in: moment.world).count == 2)
            #expect(answers(picture: scene.things, place: scene.meant, asked: nil, in: moment.world).count == 2)
        }
        #expect(asked > 40)
    }

    /// Stated names and places: the picture determines the name but not the place, the sound the place but not the name.
    @Test func namesAreSeenAndPlacesAreHeard() throws {
        for moment in try moments(80) where moment.scene.asked == nil {
            let thing = moment.scene.things[moment.scene.meant]
            let words = moment.words
            #expect(Simulator.value(in: words, from: 0) == thing.value(of: .colour))
            #expect(Simulator.value(in: words, from: 4) == thing.value(of: .shape))
            #expect(words.last == TableTalk.places[moment.scene.meant])
            #expect(moment.scene.things[0] == moment.scene.things[1])
        }
    }

    /// The published bytes, when decoded, contain the information that the oracle above is given.
    @Test func theBytesTellTheScene() throws {
        for moment in try moments(80) {
            var pictures: [RawReading] = []
            for case .reading(let reading) in moment.events {
                guard case .payload(let raw) = reading.content else { continue }
                switch raw.modality {
                case "image": pictures.append(raw)
                case "audio":
                    let wave = try WAV.decode(raw.payload, limits: SoundLimits(maximumSeconds: 1))
                    #expect(Ear.place(in: wave, speaker: moment.world.speaker) == moment.scene.meant, "moment \(moment.index)")
                default: break
                }
            }
            let asked: Attribute? = moment.words.last == "colour" ? .colour : moment.words.last == "shape" ? .shape : nil
            #expect(asked == moment.scene.asked)
            if moment.world.camera == .open, let picture = pictures.last {
                let pixels = try JPEG.decode(picture.payload, maximumPixels: 10_000)
                #expect((0..<2).map { Eye.thing(at: $0, in: pixels) } == moment.scene.things, "moment \(moment.index)")
            }
        }
    }

    @Test func everyReadingPassesItsFrontend() throws {
        let frontends = try Dictionary(uniqueKeysWithValues: modalities.map { ($0.key, try frontend(for: $0.key)) })
        for moment in try moments(80) {
            for case .reading(let reading) in moment.events {
                guard case .payload(let raw) = reading.content else { continue }
                let features = try #require(frontends[raw.modality]).features(of: raw)
                if raw.modality == "image" { #expect(features.validity == 1 || moment.world.camera == .covered) }
                if raw.modality == "image", moment.world.camera == .covered { #expect(features.validity < 0.5) }
            }
        }
    }

    @Test func nonsenseIsNamed() {
        var configuration = Simulator.Configuration()
        configuration.longestMoment = 0.1
        #expect(throws: SettingsError("longestMoment", "0.1 is not within 0.5…60.0")) {
            try Simulator(seed: 1, configuration)
        }
    }
}

/// The answers in every scene that agrees with what is sensed; nil: the sense is masked.
private func answers(picture: [Thing]?, place: Int?, asked: Attribute?, in world: World) -> Set<Int> {
    let pictures = picture.map { [$0] } ?? pictures(in: world)
    let places = place.map { [$0] } ?? [0, 1]
    let questions = asked.map { [$0] } ?? Attribute.allCases
    return Set(pictures.flatMap { things in places.flatMap { place in questions.map { things[place].value(of: $0) } } })
}

/// Every pair of things that differ in colour and in shape.
private func pictures(in world: World) -> [[Thing]] {
    let things = Colour.allCases.prefix(world.colours).flatMap { colour in
        Shape.allCases.prefix(world.shapes).map { Thing(colour: colour, shape: $0) }
    }
    return things.flatMap { left in
        things.filter { $0.colour != left.colour && $0.shape != left.shape }.map { [left, $0] }
    }
}

extension Simulator.Moment {
    fileprivate var words: [String] {
        for case .reading(let reading) in events {
            if case .payload(let raw) = reading.content, raw.modality == "text" {
                return String(decoding: raw.payload, as: UTF8.self).split(separator: " ").map(String.init)
            }
        }
        return []
    }
}

extension Simulator {
    /// The first of the four values from `first` on that the words name.
    fileprivate static func value(in words: [String], from first: Int) -> Int? {
        let second = TableTalk.newNames.colours + TableTalk.newNames.shapes
        return (first..<first + 4).first { words.contains(answers[$0]) || words.contains(second[$0]) }
    }
}

/// The place whose pitch is the strongest, by Goertzel's sum.
private enum Ear {
    static func place(in wave: Waveform, speaker: Int) -> Int? {
        (0..<2).max {
            power(wave, TableSounds.pitch(place: $0, speaker: speaker)) < power(wave, TableSounds.pitch(place: $1, speaker: speaker))
        }
    }

    private static func power(_ wave: Waveform, _ pitch: Double) -> Double {
        stride(from: 0.97, through: 1.03, by: 0.01).map { detuned in
            let angle = 2 * Double.pi * pitch * detuned / Double(wave.sampleRate)
            let (real, imaginary) = wave.samples.enumerated().reduce((0.0, 0.0)) { sum, sample in
                (
                    sum.0 + Double(sample.element) * cos(angle * Double(sample.offset)),
                    sum.1 + Double(sample.element) * sin(angle * Double(sample.offset))
                )
            }
            return real * real + imaginary * imaginary
        }.max() ?? 0
    }
}

/// The thing in a half of the picture: the nearest colour of its bright pixels, the shape that overlaps them best.
private enum Eye {
    static func thing(at place: Int, in pixels: Pixels) -> Thing? {
        var bright: [(x: Float, y: Float, colour: SIMD3<Float>)] = []
        for y in 0..<TableCamera.side {
            for x in place * 24..<place * 24 + 24 {
                let index = 3 * (y * pixels.width + x)
                let colour = SIMD3<Float>(Float(pixels.bytes[index]), Float(pixels.bytes[index + 1]), Float(pixels.bytes[index + 2]))
                if colour.max() > 110 { bright.append((Float(x), Float(y), colour)) }
            }
        }
        guard !bright.isEmpty else { return nil }
        let count = Float(bright.count)
        let mean = bright.reduce(SIMD3<Float>()) { $0 + $1.colour } / count
        let colour = Colour.allCases.min { distance(mean, $0.light) < distance(mean, $1.light) }
        let middle = bright.reduce(SIMD2<Float>()) { $0 + SIMD2($1.x, $1.y) } / count + 0.5
        let offsets = Set(bright.map { SIMD2(Int($0.x), Int($0.y)) })
        let shape = Shape.allCases.max { overlap(of: $0, around: middle, with: offsets) < overlap(of: $1, around: middle, with: offsets) }
        guard let colour, let shape else { return nil }
        return Thing(colour: colour, shape: shape)
    }

    private static func distance(_ a: SIMD3<Float>, _ b: SIMD3<Float>) -> Float { ((a - b) * (a - b)).sum() }

    /// Pixels both in the shape and lit, as a share of those in either.
    private static func overlap(of shape: Shape, around middle: SIMD2<Float>, with lit: Set<SIMD2<Int>>) -> Float {
        var both: Float = 0
        var either: Float = 0
        for y in Int(middle.y) - 12...Int(middle.y) + 12 {
            for x in Int(middle.x) - 12...Int(middle.x) + 12 {
                let isInside = shape.contains(
                    (Float(x) + 0.5 - middle.x) / TableCamera.radius, (Float(y) + 0.5 - middle.y) / TableCamera.radius)
                let isLit = lit.contains(SIMD2(x, y))
                if isInside && isLit { both += 1 }
                if isInside || isLit { either += 1 }
            }
        }
        return both / either
    }
}
