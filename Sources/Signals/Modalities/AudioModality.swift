import Foundation
import Senses
import Statistics

/// Sounds as log-mel frames: decoded, mixed to one channel, resampled to one rate, and each reading normalised to mean 0 and standard
/// deviation 1. A row is a pooled frame, a column a mel band. Or as the features of a frozen pretrained network.
public struct AudioModality: Modality {
    public static let name = "audio"
    public static let formats = ["audio/wav", "audio/x-s16le", "audio/x-f32le"]
    public static let version: UInt32 = 2

    /// The settings of the frontend for sounds.
    public struct Configuration: ModalitySettings {
        /// `mel`, or the name of a pretrained network in `soundFrontends`, which has its own sample rate, frames and columns.
        public var frontend = AudioModality.mel
        /// The file of a pretrained network; empty: the network's own name in `models`.
        public var weights = ""
        /// The sample rate that sounds are resampled to, in hertz.
        public var sampleRate = 8_000
        /// The number of samples of a frame.
        public var window = 256
        /// The number of samples from the start of a frame to the next.
        public var hop = 80
        /// The number of mel bands.
        public var bands = 32
        /// The number of neighbouring frames averaged into one row.
        public var pooled = 2
        /// The lower edge of the mel bands, in hertz.
        public var lowestFrequency = 60.0
        /// The upper edge of the mel bands, in hertz.
        public var highestFrequency = 3_900.0
        /// The root mean square, relative to full scale, below which a sound counts as silent: validity = level / silence.
        public var silence = 0.001
        /// The longest reading that is decoded, in seconds.
        public var maximumSeconds = 30.0
        /// The network that writes down what is said, live: `none` or `whisper-tiny-en`.
        public var words = Self.noWords
        /// Whether an utterance ends its moment.
        public var wordsEndMoments = true
        /// The most utterances that wait to be transcribed; the oldest is dropped then.
        public var wordsWaiting = 4
        /// The threads that transcribe.
        public var wordsThreads = 1
        /// The directory of the networks' files; empty: `models`.
        public var wordsDirectory = ""

        public static let noWords = "none"

        public init() {}

        /// The pretrained network; nil for mel frames.
        var network: (any SoundFrontend.Type)? { soundFrontends[frontend] }

        public var transcribes: Bool { words != Self.noWords }
        /// The directory in which the networks' files are.
        public var modelDirectory: String { wordsDirectory.isEmpty ? Senses.modelDirectory : wordsDirectory }

        /// The time from one row to the next, in seconds; nil for a pretrained network.
        public var rowSeconds: Double? {
            frontend == AudioModality.mel && sampleRate > 0 ? Double(hop) * Double(pooled) / Double(sampleRate) : nil
        }

        public var problems: [SettingsError] {
            [
                frontend == AudioModality.mel || network != nil
                    ? nil : SettingsError("frontend", "is '\(frontend)', not one of \(AudioModality.mel), \(soundFrontends.names)"),
                .unless("sampleRate", sampleRate, in: 1_000...192_000),
                .unless("window", window, in: 16...8_192),
                .unless("hop", hop, in: 1...max(1, window)),
                .unless("bands", bands, in: 1...512),
                .unless("pooled", pooled, in: 1...64),
                .unless("highestFrequency", highestFrequency, in: 1...max(1, Double(sampleRate) / 2)),
                lowestFrequency >= 0 && lowestFrequency < highestFrequency
                    ? nil : SettingsError("lowestFrequency", "\(lowestFrequency) is not within 0…\(highestFrequency)"),
                .unless("silence", silence, in: 1e-9...1),
                .unless("maximumSeconds", maximumSeconds, in: 0.001...600),
                [Self.noWords, Whisper.name].contains(words)
                    ? nil : SettingsError("words", "is '\(words)', not one of \(Self.noWords), \(Whisper.name)"),
                .unless("wordsWaiting", wordsWaiting, in: 1...64),
                .unless("wordsThreads", wordsThreads, in: 1...64),
            ].compactMap(\.self)
        }
    }

    private let configuration: Configuration
    private let logMel: LogMel
    private let network: (any SoundFrontend)?

    /// The name of the frontend without a network.
    public static let mel = "mel"

    public init(_ configuration: SignalConfiguration) throws(SettingsError) {
        let own = configuration[Self.self]
        if let problem = own.problems.first { throw problem }
        self.configuration = own
        logMel = LogMel(
            window: own.window, hop: own.hop, bands: own.bands, pooled: own.pooled, lowest: own.lowestFrequency,
            highest: own.highestFrequency, sampleRate: own.sampleRate)
        guard let type = own.network else {
            network = nil
            return
        }
        let path = own.weights.isEmpty ? "\(Senses.modelDirectory)/\(type.fileName)" : own.weights
        do { network = try type.init(path: path, threads: 1) } catch { throw SettingsError("audio.frontend", error.description) }
    }

    public func features(of reading: RawReading) throws(SignalRefusal) -> Features {
        let waveform = try waveform(of: reading)
        let (scaled, exponent) = scaled(waveform)
        let rate = network.map { type(of: $0).sampleRate } ?? configuration.sampleRate
        let samples = Resampler(target: rate)(scaled).samples
        guard !samples.isEmpty else { throw SignalRefusal(.empty, "\(waveform.samples.count) samples at \(waveform.sampleRate) Hz") }
        let power = samples.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(samples.count)
        let level = scalbn(power.squareRoot(), exponent), validity = Float(min(1, level / configuration.silence))
        if let network {
            // A network hears the level that it was trained with; sounds beyond full scale were scaled to it.
            let (values, rows, columns) = try features(of: samples, network)
            return Features(
                modality: Self.name, version: Self.version(of: network), rows: rows, columns: columns, values: values,
                duration: waveform.duration, validity: validity)
        }
        return Features(
            modality: Self.name, version: Self.version, rows: logMel.rows(samples: samples.count), columns: configuration.bands,
            values: standardised(logMel(samples, exponent: exponent)), duration: waveform.duration,
            validity: validity)
    }

    /// The features of a pretrained network, of which `pooled` neighbouring rows are averaged into one.
    private func features(
        of samples: [Float], _ network: any SoundFrontend
    ) throws(SignalRefusal) -> (values: [Float], rows: Int, columns: Int) {
        let states: [Float]
        do { states = try network.features(of: samples) } catch { throw SignalRefusal(.nonFinite, error.description) }
        let columns = type(of: network).columns, count = states.count / columns, pooled = configuration.pooled
        var values: [Float] = []
        for first in stride(from: 0, to: count, by: pooled) {
            let rows = first..<min(count, first + pooled)
            for column in 0..<columns {
                var sum: Float = 0
                for row in rows { sum += states[row * columns + column] }
                values.append(sum / Float(rows.count))
            }
        }
        return (values, values.count / columns, columns)
    }

    /// The version is made of the file's digest, beyond all versions of mel frames.
    private static func version(of network: any SoundFrontend) -> UInt32 {
        (UInt32(network.digest.prefix(8), radix: 16) ?? 0) | 1 << 31
    }

    /// The decoded sound.
    public func waveform(of reading: RawReading) throws(SignalRefusal) -> Waveform {
        let waveform = try decode(reading)
        guard waveform.samples.allSatisfy(\.isFinite) else { throw SignalRefusal(.nonFinite, "a sample is not finite") }
        return waveform
    }

    /// Samples that are too large to be squared in single precision are divided by a power of two, whose exponent is returned. Other
    /// samples, such as floats in the range of 16 bits, are not changed.
    private func scaled(_ waveform: Waveform) -> (Waveform, exponent: Int) {
        let peak = waveform.samples.reduce(0) { max($0, abs($1)) }
        guard peak > 1e9 else { return (waveform, 0) }
        let exponent = Int(peak.exponent) + 1
        let samples = waveform.samples.map { Float(sign: .plus, exponent: -exponent, significand: $0) }
        return (Waveform(samples: samples, sampleRate: waveform.sampleRate), exponent)
    }

    public static func shape(_ settings: Configuration) -> FeatureShape? {
        guard let network = settings.network else { return FeatureShape(columns: settings.bands, settings: "audio.bands") }
        return FeatureShape(columns: network.columns, settings: "audio (frontend \(settings.frontend))")
    }

    /// Windowed cosines and sines, the same amount while they are computed, and the bands; utterances that wait, and their network.
    public static func workingBytes(_ settings: Configuration) -> Double {
        let window = Double(settings.window)
        let words = settings.transcribes ? Whisper.workingBytes + Double(settings.wordsWaiting + 1) * 4 * Double(Whisper.window) : 0
        let network = settings.network?.workingBytes ?? 0
        return 8 * window * (window + 2) + 4 * window * Double(settings.bands) + words + network
    }

    public static func format(ofFile bytes: [UInt8]) -> String? { WAV.recognises(bytes) ? "audio/wav" : nil }

    /// A WAV file; 16-bit mono samples of raw sounds are stored without loss.
    public static func file(of reading: RawReading) throws(SignalRefusal) -> (bytes: [UInt8], ending: String) {
        if reading.format == "audio/wav" { return (reading.payload, "wav") }
        return (WAV.encode(try RawSound.decode(reading, limits: SoundLimits(maximumSeconds: 600))), "wav")
    }

    private func decode(_ reading: RawReading) throws(SignalRefusal) -> Waveform {
        guard Self.formats.contains(reading.format) else { throw unknownFormat(reading) }
        guard !reading.payload.isEmpty else { throw SignalRefusal(.empty, "a sound without bytes") }
        let limits = SoundLimits(maximumSeconds: configuration.maximumSeconds)
        return reading.format == "audio/wav"
            ? try WAV.decode(reading.payload, limits: limits) : try RawSound.decode(reading, limits: limits)
    }

    /// (x − mean) / max(deviation, 10⁻³), over the whole reading. Sums are in double precision, so that equal levels give 0.
    private func standardised(_ levels: [Float]) -> [Float] {
        let mean = levels.reduce(0.0) { $0 + Double($1) } / Double(levels.count)
        let variance = levels.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(levels.count)
        let factor = 1 / max(variance.squareRoot(), 1e-3)
        return levels.map { Float((Double($0) - mean) * factor) }
    }
}

extension SignalConfiguration {
    /// The settings of sounds.
    public var audio: AudioModality.Configuration {
        get { self[AudioModality.self] }
        set { self[AudioModality.self] = newValue }
    }
}
