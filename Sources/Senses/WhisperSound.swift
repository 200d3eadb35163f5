/// The states of Whisper's encoder as features of sound: 50 rows of 384 a second.  https://arxiv.org/abs/2212.04356
///
/// The encoder hears the sound alone, without the silence that Whisper fills half a minute with: a second takes a thirtieth of the work,
/// and less. Sound of half a minute gives exactly Whisper's states; longer sound is heard half a minute at a time.
public struct WhisperSound: SoundFrontend {
    public static let name = Whisper.name
    public static let fileName = Whisper.fileName
    public static let sampleRate = Whisper.sampleRate
    public static let columns = Whisper.C
    /// 20 ms.
    public static let hop = Whisper.window / Whisper.places
    /// The encoder's weights as float32, and a pass of half a minute.
    public static let workingBytes = 80e6

    public let digest: String
    private let mel = MelSpectrum()
    private let encoder: WhisperEncoder
    private let threads: Int

    public init(path: String, threads: Int) throws(SensesError) {
        let (archive, digest) = try openWeights(path)
        self.digest = digest
        self.threads = max(1, threads)
        encoder = try WhisperEncoder(archive)
    }

    public func features(of samples: [Float]) throws(SensesError) -> [Float] {
        precondition(!samples.isEmpty, "a sound without samples")
        var features: [Float] = []
        for start in stride(from: 0, to: samples.count, by: Whisper.window) {
            let part = Array(samples[start..<min(samples.count, start + Whisper.window)]), rows = (part.count + Self.hop - 1) / Self.hop
            let spectrum = NumberMemory((MelSpectrum.frames + 2) * MelSpectrum.bands)
            mel(part, into: spectrum.pointer + MelSpectrum.bands, threads: threads)
            let states = encoder(spectrum, rows: rows, threads: threads)
            features += (0..<rows * Self.columns).map { states.pointer[$0] }
        }
        guard features.allSatisfy(\.isFinite) else { throw SensesError("\(Self.name): a feature of the sound is not finite") }
        return features
    }
}
