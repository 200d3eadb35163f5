import Files
import Tokenization

/// English speech to text: finds where somebody speaks and transcribes it in windows of at most 30 seconds.
public struct Transcriber: Sendable {
    private let voice: VoiceActivity
    private let whisper: Whisper
    private let tokenizer: any Tokenizer

    /// The SHA-256 digest of Whisper's file in hexadecimal.
    public var digest: String { whisper.digest }

    /// - Parameters:
    ///   - directory: where `deploy/models senses` has stored the networks.
    ///   - threads: the number of threads that compute; the text does not depend on it.
    /// - Throws: `SensesError`, which says how to get a file that is absent.
    public init(directory: String = modelDirectory, threads: Int = 1) throws(SensesError) {
        voice = try VoiceActivity(path: "\(directory)/\(VoiceActivity.fileName)")
        whisper = try Whisper(path: "\(directory)/\(Whisper.fileName)", threads: threads)
        let words = "\(directory)/\(Whisper.tokenizerName)"
        guard fileExists("\(words)/tokenizer.json") else {
            throw SensesError("\(words)/tokenizer.json does not exist; 'deploy/models senses' downloads it")
        }
        do { tokenizer = try openTokenizer(directory: words) } catch { throw SensesError("\(error)") }
        guard tokenizer.vocabularySize <= Whisper.V, tokenizer.vocabularySize > Whisper.lastWord else {
            throw SensesError("\(words)/tokenizer.json has \(tokenizer.vocabularySize) tokens; Whisper's has \(Whisper.V)")
        }
    }

    /// The windows of a sound in which somebody speaks, in order.
    /// - Parameter samples: finite numbers at 16 kHz.
    /// - Throws: `SensesError`.
    public func windows(of samples: [Float]) throws(SensesError) -> [Range<Int>] {
        var voice = voice
        let probabilities = try voice.probabilities(of: samples)
        var settings = UtteranceSettings()
        settings.margin = Self.margin
        return speechWindows(utterances(in: probabilities, samples: samples.count, settings), probabilities: probabilities)
    }

    /// The silence that fills any window, in seconds: Whisper's own way.
    public static let longestFill = 30.0
    /// The silence that is heard with an utterance where somebody waits for its words, in seconds.
    public static let liveFill = 0.3

    /// What is added before and after an utterance, in seconds: a word's beginning can be too quiet to be found.
    public static let margin = 0.2

    /// The words of a window, without space at its ends.
    /// - Parameters:
    ///   - samples: finite numbers at 16 kHz, at most 30 s.
    ///   - fill: seconds of silence that the encoder hears with them, at most to 30 s in all; less takes less time, and words can differ
    ///     (README.md).
    ///   - hears: called with each new piece of the text, which is whole characters.
    /// - Throws: `SensesError` if a number is not finite.
    public func text(
        of samples: some Collection<Float>, fill: Double = longestFill, hears: (String) -> Void = { _ in }
    ) throws(SensesError) -> String {
        var bytes: [UInt8] = [], shown = 0
        func show(_ end: Int) {
            hears(String(decoding: bytes[shown..<end], as: UTF8.self))
            shown = end
        }
        let silence = Int(min(max(0, fill), Self.longestFill) * Double(Whisper.sampleRate))
        _ = try whisper.tokens(of: Array(samples), fill: silence) { token in
            guard let piece = try? tokenizer.decode([token]) else { return false }
            bytes += bytes.isEmpty ? Array(piece.drop { $0 == UInt8(ascii: " ") }) : piece
            let whole = wholeCharacters(bytes[shown...])
            if whole > shown { show(whole) }
            return true
        }
        if shown < bytes.count { show(bytes.count) }
        while bytes.last == UInt8(ascii: " ") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Where the last character of UTF-8 ends that is complete; bytes that can belong to none count as complete.
func wholeCharacters(_ bytes: ArraySlice<UInt8>) -> Int {
    for back in 1...3 where bytes.count >= back {
        let byte = bytes[bytes.endIndex - back]
        if byte & 0b1100_0000 == 0b1000_0000 { continue }
        let length = byte >= 0b1111_0000 ? 4 : byte >= 0b1110_0000 ? 3 : byte >= 0b1100_0000 ? 2 : 1
        return length > back ? bytes.endIndex - back : bytes.endIndex
    }
    return bytes.endIndex
}
