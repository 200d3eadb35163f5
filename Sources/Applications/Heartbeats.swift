import Files
import Foundation
import Statistics

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

/// What arrives of a beat: its window of both leads, and how early it came.
public struct HeartWindow: Sendable {
    /// Seconds of a window before and after the beat, and the number of points of each lead in it.
    public static let before = 0.6, after = 0.3, points = 81
    /// The number of intervals.
    public static let intervals = 3

    /// Points of both leads, each less its mean.
    public var shape: [Float]
    /// The interval before the beat, the one before that, and the range of the last eight, in parts of the median of the last eight.
    public var intervals: [Float]

    /// Windows of every beat that has all of its samples.
    public static func all(_ record: HeartRecord) -> [(beat: HeartRecord.Beat, window: HeartWindow)] {
        let length = record.signals.map(\.count).min() ?? 0
        var recent: [Double] = []
        var windows: [(beat: HeartRecord.Beat, window: HeartWindow)] = []
        for (index, beat) in record.beats.enumerated() {
            let interval = index > 0 ? Double(beat.sample - record.beats[index - 1].sample) : nil
            defer {
                if let interval { recent = recent.suffix(7) + [interval] }
            }
            let first = Double(beat.sample) - before * record.rate, step = (before + after) * record.rate / Double(points - 1)
            guard let interval, !recent.isEmpty, first >= 0, first + step * Double(points - 1) < Double(length) else { continue }
            let shape = record.signals.flatMap { signal in
                let points = (0..<points).map { signal[min(length - 1, Int(first + step * Double($0)))] }
                let mean = points.reduce(0, +) / Float(points.count)
                return points.map { $0 - mean }
            }
            let sorted = recent.sorted(), median = max(1, sorted[sorted.count / 2])
            let intervals = [
                interval / median, (recent.last ?? median) / median, (sorted[sorted.count - 1] - sorted[0]) / median,
            ]
            windows.append((beat, HeartWindow(shape: shape, intervals: intervals.map { Float(min(4, $0)) })))
        }
        return windows
    }
}

/// Inputs less their running means, in parts of their running deviations, held within ± 8.
struct RunningScale: Sendable {
    private var moments: [RunningMoments]

    init(count: Int) { moments = Array(repeating: RunningMoments(), count: count) }

    /// Scales an example by those before it, then counts it.
    mutating func scale(_ x: [Float]) -> [Float] {
        x.indices.map { i in
            let deviation = max(1e-3, moments[i].standardDeviation)
            let scaled = moments[i].count < 2 ? 0 : (Double(x[i]) - moments[i].mean) / deviation
            moments[i].add(Double(x[i]))
            return Float(max(-8, min(8, scaled)))
        }
    }
}

/// Recognises beats of one kind as they arrive; their labels come some beats later.
public struct HeartbeatScores: Sendable {
    /// Decisions against labels.
    public struct Decisions: Sendable {
        public fileprivate(set) var found = 0, missed = 0, falseAlarms = 0

        /// The harmonic mean of precision and recall; 0 if nothing was found.
        public var f1: Double { found == 0 ? 0 : 2 * Double(found) / Double(2 * found + missed + falseAlarms) }

        fileprivate mutating func add(_ decision: Bool, _ truth: Bool) {
            found += decision && truth ? 1 : 0
            missed += !decision && truth ? 1 : 0
            falseAlarms += decision && !truth ? 1 : 0
        }
    }

    public private(set) var model = Decisions(), baseline = Decisions()
    /// Beats that have all of their window, and those of the kind.
    public private(set) var beats = 0, positives = 0
    /// The model's probabilities.
    public private(set) var scores = BinaryScores()
    /// Beats of the kind and decisions so far, after each tenth of the record.
    public private(set) var course: [(positives: Int, model: Decisions, baseline: Decisions)] = []
    private static let courseParts = 10

    /// Recognises every beat, then learns its label when it has come.
    /// - Parameters:
    ///   - record: a record.
    ///   - kind: the kind of beat to be recognised.
    ///   - delay: a label comes so many beats after its beat.
    public init(_ record: HeartRecord, kind: Character, delay: Int) {
        let windows = HeartWindow.all(record)
        var model = HeartbeatModel(), baseline = WindowBaseline()
        var waiting: [(label: Bool, inputs: HeartbeatModel.Inputs, shape: [Float])] = []
        for (beat, window) in windows {
            let label = beat.kind == kind
            let inputs = model.inputs(window), shape = baseline.inputs(window)
            let probability = model.predict(inputs)
            self.model.add(probability > model.threshold, label)
            self.baseline.add(baseline.predict(shape) > 0.5, label)
            scores.add(probability: probability, happened: label)
            beats += 1
            positives += label ? 1 : 0
            waiting.append((label, inputs, shape))
            if beats * Self.courseParts / windows.count > course.count { course.append((positives, self.model, self.baseline)) }
            while waiting.count > max(0, delay) {
                let first = waiting.removeFirst()
                model.learn(first.inputs, first.label)
                baseline.learn(first.shape, first.label)
            }
        }
    }
}

/// Two logistic regressions, on how early a beat came and on that with its shape, mixed; rare beats weigh as much as common ones.
struct HeartbeatModel {
    struct Inputs {
        var early: [Float], all: [Float]
    }

    private var scale = RunningScale(count: HeartWindow.points * 2 + 3)
    private var early: AdagradLogistic, whole: AdagradLogistic
    private var counts: (positive: Float, negative: Float) = (0, 0)
    let threshold: Float = 0.5

    init() {
        var settings = AdagradLogistic.Configuration()
        (settings.tableBits, settings.denseRate, settings.denseStart) = (0, 0.3, 1)
        early = AdagradLogistic(inputs: 5, settings)
        settings.denseRate = 0.05
        whole = AdagradLogistic(inputs: HeartWindow.points * 2 + 5, settings)
    }

    mutating func inputs(_ window: HeartWindow) -> Inputs {
        let x = scale.scale(window.shape + window.intervals), intervals = Array(x.suffix(3))
        let early = [1] + intervals + [10 * (1 - window.intervals[0])]
        return Inputs(early: early, all: early + x.dropLast(3).map { $0 / 4 })
    }

    mutating func predict(_ inputs: Inputs) -> Float {
        guard counts.positive > 0 else { return 0.01 }
        return squash((2 * early.predict(inputs.early) + whole.predict(inputs.all)) / 3)
    }

    mutating func learn(_ inputs: Inputs, _ label: Bool) {
        if label { counts.positive += 1 } else { counts.negative += 1 }
        let weight = label ? min(Self.weightLimit, max(1, counts.negative / max(1, counts.positive))) : 1
        _ = early.predict(inputs.early)
        early.learn(label, weight: weight)
        _ = whole.predict(inputs.all)
        whole.learn(label, weight: weight)
    }

    /// The most that a rare beat weighs.
    private static let weightLimit: Float = 20
}

/// Logistic regression on the window alone, one pass.
struct WindowBaseline {
    private var scale = RunningScale(count: HeartWindow.points * 2)
    private var logistic: AdagradLogistic

    init() {
        var settings = AdagradLogistic.Configuration()
        (settings.tableBits, settings.denseRate, settings.denseStart) = (0, 0.1, 1)
        logistic = AdagradLogistic(inputs: HeartWindow.points * 2 + 1, settings)
    }

    mutating func inputs(_ window: HeartWindow) -> [Float] { [1] + scale.scale(window.shape) }

    mutating func predict(_ x: [Float]) -> Float { squash(logistic.predict(x)) }

    mutating func learn(_ x: [Float], _ label: Bool) {
        _ = logistic.predict(x)
        logistic.learn(label)
    }
}
