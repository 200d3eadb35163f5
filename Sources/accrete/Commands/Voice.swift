import ArgumentParser
import Files
import Senses
import Signals
import StrictJSON

/// `accrete voice`: finds speech in a recording.
struct Voice: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find where somebody speaks in a recording, with a pretrained network.",
        discussion: """
            Silero VAD gives a probability of speech for every 32 ms; utterances begin where it rises to --threshold. A line has an \
            utterance's begin and end in seconds. The WAV file has any sample rate from 1,000 to 192,000 Hz and up to 8 channels. \
            'deploy/models senses' downloads the network (MIT).

            Examples:
              accrete voice meeting.wav
              accrete voice meeting.wav --json
            """
    )

    @Argument(help: "The WAV file.")
    var file: String

    @Option(help: ArgumentHelp("The network's file.", valueName: "file"))
    var weights = "\(modelDirectory)/\(VoiceActivity.fileName)"

    @Option(help: "The probability from which speech begins.")
    var threshold = 0.5

    @Flag(help: "Print one JSON object: utterances with begin and end in seconds; every frame's probability; the digest.")
    var json = false

    /// The largest file that is read, in bytes, and the longest sound.
    private static let largest = 1 << 30
    private static let maximumSeconds = 7_200.0

    func validate() throws {
        guard (0.01...0.99).contains(threshold) else { throw ValidationError("--threshold is 0.01 to 0.99.") }
    }

    func run() throws {
        var voice = try VoiceActivity(path: weights)
        let samples: [Float]
        do {
            let sound = try Waveform(ofFile: readFile(file, atMost: Self.largest), maximumSeconds: Self.maximumSeconds)
            samples = sound.resampled(to: VoiceActivity.sampleRate).samples
        } catch let refusal as SignalRefusal {
            throw ValidationError("\(file): \(refusal.detail)")
        }
        let probabilities = try voice.probabilities(of: samples)
        var settings = UtteranceSettings()
        settings.threshold = Float(threshold)
        settings.silence = Float(max(0.01, threshold - 0.15))
        let found = utterances(in: probabilities, samples: samples.count, settings)
        if json {
            let list = found.map { JSON.object(["begin": .number(seconds($0.lowerBound)), "end": .number(seconds($0.upperBound))]) }
            print(
                JSON.object([
                    "digest": .string(voice.digest), "probabilities": .array(probabilities.map { .number(Double($0)) }),
                    "utterances": .array(list),
                ]).text())
        } else {
            for range in found { print("\(text(range.lowerBound)) \(text(range.upperBound))") }
        }
    }

    private func seconds(_ sample: Int) -> Double { Double(sample) / Double(VoiceActivity.sampleRate) }

    /// Seconds with two decimals.
    private func text(_ sample: Int) -> String {
        let hundredths = Int((seconds(sample) * 100).rounded())
        return "\(hundredths / 100).\(hundredths / 10 % 10)\(hundredths % 10)"
    }
}
