import Applications
import FilesTesting
import Foundation
import Statistics
import Testing

struct HeartbeatsTests {
    private let folder = Folder()

    /// A heart that beats once in 0.8 s, and sometimes early; early beats have another shape.
    private func heart(beats: Int, random: inout RandomSource, isLabelRandom: Bool = false) -> HeartRecord {
        var marks: [HeartRecord.Beat] = [], at = 300
        var signals = [[Float]](repeating: [Float](repeating: 0, count: 300 * (beats + 3)), count: 2)
        for _ in 0..<beats {
            let isEarly = random.uniform() < 0.06
            at += Int((isEarly ? 200 : 288) + 6 * random.normal())
            let isLabelled = isLabelRandom ? random.uniform() < 0.06 : isEarly
            marks.append(HeartRecord.Beat(sample: at, kind: isLabelled ? "A" : "N"))
            for offset in -20...20 {
                let bump = Float(exp(-Double(offset * offset) / 40))
                signals[0][at + offset] += bump
                signals[1][at + offset] += isEarly ? -bump / 2 : bump / 2
            }
        }
        for i in signals[0].indices {
            signals[0][i] += Float(0.02 * random.normal())
            signals[1][i] += Float(0.02 * random.normal())
        }
        return HeartRecord(rate: 360, signals: signals, beats: marks)
    }

    private func write(_ header: String, _ samples: [UInt8], _ annotations: [UInt16]) throws -> String {
        let path = folder.path("\(UUID())")
        let name = path.split(separator: "/").last ?? ""
        try Data(header.replacingOccurrences(of: "NAME", with: name).utf8).write(to: URL(filePath: path + ".hea"))
        try Data(samples).write(to: URL(filePath: path + ".dat"))
        try Data(annotations.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }).write(to: URL(filePath: path + ".atr"))
        return path
    }

    private static let header = "NAME 2 360 4\nNAME.dat 212 200 11 1024 0 0 0 I\nNAME.dat 212 100(10) 11 0 0 0 0 II\n"
    /// Samples (1024, 10), (1224, 110), (−1, −2048): two low bytes around one of two high halves.
    private static let samples: [UInt8] = [0x00, 0x04, 0x0A, 0xC8, 0x04, 0x6E, 0xFF, 0x8F, 0x00]
    /// A normal beat at 0, a note of three bytes, a long interval of 0 and an atrial premature beat one later, the end.
    private static let annotations: [UInt16] = [1 << 10, 63 << 10 | 3, 0x4141, 0x0041, 59 << 10, 0, 0, 8 << 10 | 1, 0]

    @Test func readsFormat212AndAnnotations() throws {
        let record = try HeartRecord(path: write(Self.header, Self.samples, Self.annotations))
        #expect(record.rate == 360)
        #expect(record.signals == [[0, 1, -5.125], [0, 1, -20.58]])
        #expect(record.beats == [.init(sample: 0, kind: "N"), .init(sample: 1, kind: "A")])
        #expect(record.rareKind != nil)
    }

    @Test func invalidRecordsAreRefusedInASentence() throws {
        func sentence(_ header: String, _ samples: [UInt8], _ annotations: [UInt16]) throws -> String {
            let error = #expect(throws: (any Error).self) { try HeartRecord(path: write(header, samples, annotations)) }
            return "\(try #require(error))"
        }
        let (h, s, a) = (Self.header, Self.samples, Self.annotations)
        #expect(try sentence("", s, a).contains("first line"))
        #expect(try sentence(h.replacingOccurrences(of: " 360 ", with: " nan "), s, a).contains("sampling rate"))
        #expect(try sentence(h.replacingOccurrences(of: " 212 ", with: " 16 "), s, a).contains("format 212"))
        #expect(try sentence(h.replacingOccurrences(of: "NAME.dat", with: "../NAME.dat"), s, a).contains("beside it"))
        #expect(try sentence(h.replacingOccurrences(of: " 200 ", with: " inf "), s, a).contains("gain"))
        #expect(try sentence(h, [1, 2], a).contains("no samples"))
        #expect(try sentence(h, s, Array(a.dropLast())).contains("cut off"))
        #expect(try sentence(h, s, [59 << 10, 1]).contains("cut off"))
        #expect(try sentence(h, s, [0]).contains("no beats"))
        #expect(try sentence(h, s, [1 << 10 | 900, 0]).contains("beyond"))
        #expect(try sentence(h, s, [59 << 10, 0x7fff, 0xffff, 1 << 10 | 1, 0]).contains("beyond"))
        #expect("\(try #require(#expect(throws: (any Error).self) { try HeartRecord(path: folder.path("none")) }))".contains("cannot read"))
    }

    @Test func earlyBeatsAreRecognisedThoughLabelsComeLate() {
        var random = RandomSource(seed: 1)
        let scores = HeartbeatScores(heart(beats: 1500, random: &random), kind: "A", delay: 8)
        #expect(scores.positives > 60)
        #expect(scores.model.f1 > 0.93)
        #expect(scores.model.f1 > scores.baseline.f1)
    }

    @Test func labelsAtRandomAreRecognisedAtChance() throws {
        var random = RandomSource(seed: 2)
        let scores = HeartbeatScores(heart(beats: 3000, random: &random, isLabelRandom: true), kind: "A", delay: 8)
        #expect(abs(try #require(scores.scores.areaUnderCurve) - 0.5) < 0.07)
        #expect(scores.model.f1 < 0.2)
    }

    @Test func aLabelHasNoEffectBeforeItComes() {
        // Labels of the last eight beats never come, so they cannot change any probability.
        var random = RandomSource(seed: 3)
        let record = heart(beats: 300, random: &random)
        var other = record
        for index in (other.beats.count - 8)..<other.beats.count { other.beats[index].kind = other.beats[index].kind == "N" ? "V" : "N" }
        let one = HeartbeatScores(record, kind: "A", delay: 8), two = HeartbeatScores(other, kind: "A", delay: 8)
        let early = other.beats.suffix(8).count { $0.kind == "A" }, before = record.beats.suffix(8).count { $0.kind == "A" }
        #expect(early == 0)
        #expect(one.model.found + one.model.falseAlarms == two.model.found + two.model.falseAlarms)
        #expect(one.positives - two.positives == before)
    }
}
