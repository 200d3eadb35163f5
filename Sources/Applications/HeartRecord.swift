import Files
import Foundation

/// A recorded electrocardiogram with annotated beats, in the formats of the WFDB software.
/// https://physionet.org/physiotools/wag/header-5.htm, signal-5.htm, annot-5.htm
public struct HeartRecord: Sendable {
    /// A beat that was annotated: its sample and its kind.
    public struct Beat: Sendable, Equatable {
        public var sample: Int
        /// The annotation's letter: N normal, A atrial premature, V ventricular premature, and so on.
        public var kind: Character

        public init(sample: Int, kind: Character) { (self.sample, self.kind) = (sample, kind) }
    }

    /// Why a record cannot be used.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Samples a second.
    public var rate: Double
    /// Signals in units of their own (millivolts, if the header has gains).
    public var signals: [[Float]]
    public var beats: [Beat]

    public init(rate: Double, signals: [[Float]], beats: [Beat]) {
        (self.rate, self.signals, self.beats) = (rate, signals, beats)
    }

    /// The commonest kind of beat but the commonest of all, if there is one: that of the rarer sort.
    public var rareKind: Character? {
        let counts = Dictionary(grouping: beats, by: \.kind).mapValues(\.count)
        return counts.sorted { ($0.value, String($1.key)) > ($1.value, String($0.key)) }.dropFirst().first?.key
    }

    /// Bounds of a file in bytes, and of the sampling rate.
    public static let byteLimit = 1 << 28, rateLimit = 1.0...10_000.0

    /// Reads PATH.hea, the signal file that it names (two signals in format 212), and PATH.atr.
    /// - Throws: what is wrong, in one sentence.
    public init(path: String) throws {
        func bytes(_ path: String) throws -> [UInt8] {
            do { return try readFile(path, atMost: Self.byteLimit, streams: true) } catch {
                throw Failure(description: "cannot read \(path): \(error.cause)")
            }
        }
        let header = try Header(String(decoding: try bytes(path + ".hea"), as: UTF8.self), path: path + ".hea")
        rate = header.rate
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        let raw = try Self.samples212(try bytes(folder + header.file), path: folder + header.file)
        signals = zip(raw, header.scales).map { numbers, scale in numbers.map { (Float($0) - scale.zero) / scale.gain } }
        beats = try Self.annotations(try bytes(path + ".atr"), path: path + ".atr", samples: raw[0].count)
    }

    /// The parts of a header that are needed.
    private struct Header {
        var rate: Double
        var file: String
        var scales: [(gain: Float, zero: Float)] = []

        init(_ text: String, path: String) throws {
            let lines = text.split(whereSeparator: \.isNewline).map { $0.split { $0 == " " || $0 == "\t" }.map(String.init) }
                .filter { !($0.first ?? "#").hasPrefix("#") }
            guard let record = lines.first, record.count >= 3, Int(record[1]) == 2, lines.count >= 3 else {
                throw Failure(description: "\(path): the first line should name a record, two signals and their rate")
            }
            guard let rate = Double(record[2].prefix { $0 != "/" && $0 != "(" }), HeartRecord.rateLimit.contains(rate) else {
                throw Failure(description: "\(path): the sampling rate '\(record[2].prefix(20))' should be between 1 and 10,000")
            }
            self.rate = rate
            file = lines[1][0]
            guard !file.contains("/"), lines[2][0] == file, lines[1...2].allSatisfy({ $0.count >= 2 && $0[1] == "212" }) else {
                throw Failure(description: "\(path): both signals should be in one file beside it, in format 212")
            }
            for line in lines[1...2] {
                let gain = line.count > 2 ? Float(line[2].prefix { $0 != "(" && $0 != "/" }) ?? 0 : 0
                // A gain of 0 means 200 units a millivolt; the baseline is in brackets, or else the zero of the converter.
                let bracket =
                    line.count > 2 ? line[2].split(separator: "(").dropFirst().first.flatMap { Float($0.prefix { $0 != ")" }) } : nil
                let zero = bracket ?? (line.count > 4 ? Float(line[4]) : nil) ?? 0
                guard gain.isFinite, zero.isFinite, gain >= 0 else {
                    throw Failure(description: "\(path): a gain or baseline is no number")
                }
                scales.append((gain == 0 ? 200 : gain, zero))
            }
        }
    }

    /// Two signals of 12-bit numbers, a pair in three bytes.
    private static func samples212(_ bytes: [UInt8], path: String) throws -> [[Int]] {
        guard bytes.count >= 3 else { throw Failure(description: "\(path) has no samples") }
        func signed(_ x: Int) -> Int { x > 2047 ? x - 4096 : x }
        var signals: [[Int]] = [[], []]
        for at in stride(from: 0, through: bytes.count - 3, by: 3) {
            signals[0].append(signed(Int(bytes[at]) | Int(bytes[at + 1] & 15) << 8))
            signals[1].append(signed(Int(bytes[at + 2]) | Int(bytes[at + 1] >> 4) << 8))
        }
        return signals
    }

    /// Beats of an annotation file in MIT format; other annotations are passed over.
    private static func annotations(_ bytes: [UInt8], path: String, samples: Int) throws -> [Beat] {
        let words = stride(from: 0, to: bytes.count - 1, by: 2).map { Int(bytes[$0]) | Int(bytes[$0 + 1]) << 8 }
        var beats: [Beat] = []
        var time = 0, at = 0, isEnded = false
        while at < words.count, !isEnded {
            let (code, interval) = (words[at] >> 10, words[at] & 1023)
            at += 1
            switch code {
            case 0 where interval == 0: isEnded = true
            case 59:  // SKIP: a long interval, its high word first
                guard at + 1 < words.count else { throw Failure(description: "\(path) is cut off") }
                time += Int(Int32(truncatingIfNeeded: words[at] << 16 | words[at + 1]))
                at += 2
            case 60...62: break  // NUM, SUB, CHN
            case 63: at += (interval + 1) / 2  // AUX: so many bytes of text
            default:
                time += interval
                guard let kind = kinds[code] else { continue }
                guard (0..<samples).contains(time), time > beats.last?.sample ?? -1 else {
                    throw Failure(description: "\(path): a beat at sample \(time), out of order or beyond the \(samples) samples")
                }
                beats.append(Beat(sample: time, kind: kind))
            }
        }
        guard isEnded else { throw Failure(description: "\(path) is cut off") }
        guard !beats.isEmpty else { throw Failure(description: "\(path) has no beats") }
        return beats
    }

    /// Letters of beats by their codes.
    private static let kinds: [Int: Character] = [
        1: "N", 2: "L", 3: "R", 4: "a", 5: "V", 6: "F", 7: "J", 8: "A", 9: "S", 10: "E", 11: "j", 12: "/", 13: "Q", 25: "B", 30: "?",
        34: "e", 35: "n", 38: "f", 41: "r",
    ]
}
