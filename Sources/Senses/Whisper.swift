import Safetensors
import Synchronization

/// Whisper tiny.en: English speech to the tokens of its text, up to 30 seconds at a time.  https://arxiv.org/abs/2212.04356
public final class Whisper: Sendable {
    /// The name in settings.
    public static let name = "whisper-tiny-en"
    /// The name of its file in the directory of models, and of the directory of its tokenizer there.
    public static let fileName = "whisper-tiny.en.safetensors", tokenizerName = "whisper-tiny.en"
    /// In hertz.
    public static let sampleRate = 16_000
    /// The number of samples of a window: 30 s.
    public static let window = 480_000

    /// Width, heads, width of a head, layers; positions of sound and of text; vocabulary.
    static let C = 384, H = 6, D = 64, layers = 4, places = 1_500, positions = 448, V = 51_864
    /// Ends a text; begins one; says that there are no times.
    private static let end = 50_256, begin = 50_257, withoutTimes = 50_362
    /// The last token that is part of a word.
    static let lastWord = end - 1
    /// The most tokens of a window.
    public static let longest = positions / 2
    /// The memory of its weights and of a window, in bytes.
    public static let workingBytes = 160e6

    /// The SHA-256 digest of its file in hexadecimal.
    public let digest: String
    private let threads: Int
    let mel = MelSpectrum()
    let encoder: WhisperEncoder
    let decoder: WhisperDecoder
    private let neverFirst: [Int]
    /// What the encoder makes of a window in which nobody speaks, (1500, 384); nil before it was needed.
    private let silence = Mutex<NumberMemory?>(nil)
    /// The level of silence in the spectrum of a speaker at a usual distance: 8 decades below the loudest, as `MelSpectrum` scales it.
    private static let silentLevel: Float = -0.63

    /// - Throws: `SensesError`.
    public convenience init(path: String, threads: Int = 1) throws(SensesError) {
        let (archive, digest) = try openWeights(path)
        try self.init(archive, digest: digest, threads: threads)
    }

    /// A network of the tensors of a file, whose digest is given.
    init(_ archive: TensorArchive, digest: String, threads: Int) throws(SensesError) {
        self.digest = digest
        self.threads = max(1, threads)
        let suppressed = try archive.tokens("suppressed")
        neverFirst = try archive.tokens("suppressed_first")
        encoder = try WhisperEncoder(archive)
        decoder = try WhisperDecoder(archive, suppressed: suppressed)
    }

    /// The most probable tokens of up to 30 seconds of sound, one after the other.
    /// - Parameters:
    ///   - samples: finite numbers at 16 kHz, at most `window`.
    ///   - fill: the silence after them, in samples, that goes through the encoder with them, at most to `window` in all. The decoder
    ///     attends to a whole window: what the encoder makes of the rest is taken from a window of silence, which is computed once.
    ///   - isWanted: called with each token; it ends the text if it returns false.
    /// - Throws: `SensesError` if a number is not finite.
    public func tokens(of samples: [Float], fill: Int = window, isWanted: (Int) -> Bool = { _ in true }) throws(SensesError) -> [Int] {
        precondition(samples.count <= Self.window, "\(samples.count) samples, at most \(Self.window)")
        let sound = encoded(samples, places: places(of: samples.count, fill: fill))
        guard areFinite(sound) else { throw SensesError("whisper: a feature of the sound is not finite") }
        var text = WhisperText(decoder.heard(sound, threads: threads))
        decoder.step(Self.begin, &text, threads: threads, scores: false)
        decoder.step(Self.withoutTimes, &text, threads: threads)
        for token in neverFirst { text.scores.pointer[token] = -.infinity }
        var tokens: [Int] = []
        while tokens.count < Self.longest {
            let best = text.best
            guard text.scores.pointer[best].isFinite else { throw SensesError("whisper: no score is finite") }
            if best >= Self.end || !isWanted(best) { break }
            tokens.append(best)
            if tokens.count < Self.longest { decoder.step(best, &text, threads: threads) }
        }
        return tokens
    }

    /// The positions of sound, 20 ms each, with the silence after it.
    private func places(of samples: Int, fill: Int) -> Int {
        let each = Self.window / Self.places, sum = samples.addingReportingOverflow(max(0, fill))
        return sum.overflow ? Self.places : max(1, min(Self.places, (min(sum.partialValue, Self.window) + each - 1) / each))
    }

    /// What the encoder makes of a window, (1500, 384).
    /// - Parameter places: how many of the first positions it computes for this sound.
    func encoded(_ samples: [Float], places: Int = places) -> NumberMemory {
        let spectrum = NumberMemory((MelSpectrum.frames + 2) * MelSpectrum.bands)
        mel(samples, into: spectrum.pointer + MelSpectrum.bands, threads: threads)
        let own = encoder(spectrum, rows: places, threads: threads)
        guard places < Self.places else { return own }
        let silent = silentWindow(), window = NumberMemory(Self.places * Self.C), count = places * Self.C
        window.pointer.update(from: own.pointer, count: count)
        (window.pointer + count).update(from: silent.pointer + count, count: Self.places * Self.C - count)
        return window
    }

    private func silentWindow() -> NumberMemory {
        silence.withLock { known in
            if let known { return known }
            let spectrum = NumberMemory((MelSpectrum.frames + 2) * MelSpectrum.bands)
            (spectrum.pointer + MelSpectrum.bands).update(repeating: Self.silentLevel, count: MelSpectrum.frames * MelSpectrum.bands)
            let states = encoder(spectrum, threads: threads)
            known = states
            return states
        }
    }
}

/// Whether all numbers are finite.
private func areFinite(_ x: NumberMemory) -> Bool { (0..<x.count).allSatisfy { x.pointer[$0].isFinite } }

extension TensorArchive {
    /// Tokens of the vocabulary.
    fileprivate func tokens(_ name: String) throws(SensesError) -> [Int] {
        let tokens: [Int]
        do { tokens = try tensor(name).integers() } catch { throw SensesError("\(error)") }
        guard tokens.allSatisfy({ (0..<Whisper.V).contains($0) }) else {
            throw SensesError("\(name) has a token that is not in the vocabulary")
        }
        return tokens
    }

    /// The bits of the finite numbers of a tensor of a certain shape, in half precision. `floats` says which number is not finite.
    func halves(_ name: String, _ shape: [Int]) throws(SensesError) -> [UInt16] {
        do {
            let tensor = try tensor(name, shape: shape)
            if tensor.type != .float16 { return try tensor.floats().map { Float16($0).bitPattern } }
            let halves = tensor.withUnsafeBytes { bytes in
                (0..<tensor.count).map { UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)) }
            }
            guard halves.allSatisfy({ $0 & 0x7C00 != 0x7C00 }) else { return try tensor.floats().map { Float16($0).bitPattern } }
            return halves
        } catch { throw SensesError("\(error)") }
    }
}
