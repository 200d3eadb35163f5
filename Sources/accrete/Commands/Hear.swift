import ArgumentParser
import Files
import Foundation
import Senses
import Signals
import StrictJSON

/// `accrete hear`: transcribes a recording.
struct Hear: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write down what somebody says in a recording, in English, with a pretrained network.",
        discussion: """
            Silero VAD finds where somebody speaks; Whisper tiny.en transcribes it in windows of at most 30 s, cut at pauses, and takes the \
            most probable token each time. A line has a window's begin and end in seconds and its words, which are printed as they come. \
            The WAV file has any sample rate from 1,000 to 192,000 Hz, up to 8 channels and at most two hours. 'deploy/models senses' \
            downloads the networks (MIT).

            Examples:
              accrete hear meeting.wav
              accrete hear meeting.wav --json
            """
    )

    @Argument(help: "The WAV file.")
    var file: String

    @Option(help: ArgumentHelp("The directory of the networks' files.", valueName: "directory"))
    var models = modelDirectory

    @Option(help: ArgumentHelp("The number of threads.", valueName: "count"))
    var threads = 2

    @Option(
        help: ArgumentHelp(
            "Seconds of silence that the encoder hears with a window, at most to 30 s in all: less takes less time, and words can differ.",
            valueName: "seconds"))
    var fill = Transcriber.longestFill

    @Flag(help: "Print one JSON object: segments (begin, end, text), text, seconds, digest; progress goes to standard error.")
    var json = false

    /// The largest file that is read, in bytes, and the longest sound.
    private static let largest = 1 << 30
    private static let maximumSeconds = 7_200.0

    func validate() throws {
        guard (1...64).contains(threads) else { throw ValidationError("--threads is 1 to 64.") }
        guard (0...Transcriber.longestFill).contains(fill) else { throw ValidationError("--fill is 0 to 30.") }
    }

    func run() throws {
        let transcriber = try Transcriber(directory: models, threads: threads)
        let samples: [Float]
        do {
            let sound = try Waveform(ofFile: readFile(file, atMost: Self.largest), maximumSeconds: Self.maximumSeconds)
            samples = sound.resampled(to: Whisper.sampleRate).samples
        } catch let refusal as SignalRefusal {
            throw ValidationError("\(file): \(refusal.detail)")
        }
        let windows = try transcriber.windows(of: samples)
        let showsProgress = json || isatty(STDERR_FILENO) == 1 && isatty(STDOUT_FILENO) == 0
        var segments: [JSON] = [], texts: [String] = []
        for (index, window) in windows.enumerated() {
            if !json { try show(Array("\(text(window.lowerBound)) \(text(window.upperBound)) ".utf8)) }
            var failure: (any Error)?
            let words = try transcriber.text(of: samples[window], fill: fill) { piece in
                guard !json, failure == nil else { return }
                do { try show(Array(piece.utf8)) } catch { failure = error }
            }
            if let failure { throw failure }
            if !json { try show([UInt8(ascii: "\n")]) }
            texts.append(words)
            segments.append(
                .object(["begin": .number(seconds(window.lowerBound)), "end": .number(seconds(window.upperBound)), "text": .string(words)]))
            if showsProgress {
                StandardError.write("\(file): \(index + 1) of \(windows.count) windows, \(text(window.upperBound)) s\n")
            }
        }
        guard json else { return }
        print(
            JSON.object([
                "digest": .string(transcriber.digest), "seconds": .number(seconds(samples.count)), "segments": .array(segments),
                "text": .string(texts.filter { !$0.isEmpty }.joined(separator: " ")),
            ]).text())
    }

    private func seconds(_ sample: Int) -> Double { Double(sample) / Double(Whisper.sampleRate) }

    /// Seconds with two decimals.
    private func text(_ sample: Int) -> String {
        let hundredths = Int((seconds(sample) * 100).rounded())
        return "\(hundredths / 100).\(hundredths / 10 % 10)\(hundredths % 10)"
    }
}
