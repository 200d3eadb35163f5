import ArgumentParser
import Files
import Foundation
import Senses
import Signals

/// Measures the time of pretrained networks on one input; alternating with a peer if one is given.
struct SensesBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "senses",
        abstract: "Measures the time of a picture in EfficientNet-Lite0, of a second of sound in Silero VAD, of a window in Whisper.",
        discussion: """
            'deploy/models senses' downloads the networks. Example: accrete-bench senses --against "python3 peer.py"
            The peer is called with `sight|voice|hearing --threads … --seconds …`, and `--sound …` if given, and prints a line of JSON with \
            `secondsMedian`, of a picture of 224 × 224 pixels, a second of sound, or a window transcribed; the ratio is the median over \
            rounds that take turns, ours divided by its own. Hearing wants --sound: a WAV file whose first 30 s are transcribed.
            """)

    @Option(help: "sight, voice or hearing; repeatable.")
    var sense = ["sight", "voice"]

    @Option(help: "Threads, of ours and of the peer, for sight and hearing; voice has one.")
    var threads = 2

    @Option(help: "Seconds a round.")
    var seconds = 2.0

    @Option(help: "Rounds; with a peer, each is one of ours and one of its own.")
    var rounds = 5

    @Option(help: ArgumentHelp("What hearing transcribes.", valueName: "file"))
    var sound: String?

    @Option(help: ArgumentHelp("A peer's command.", valueName: "command"))
    var against: String?

    func validate() throws {
        guard rounds > 0, seconds > 0, (1...64).contains(threads) else {
            throw ValidationError("--rounds, --seconds, --threads are positive.")
        }
    }

    func run() throws {
        for name in sense {
            let pass = try pass(of: name)
            var ours: [Double] = [], peers: [Double] = []
            for _ in 0..<rounds {
                ours.append(try median(for: seconds, pass))
                guard let against else { continue }
                peers.append(
                    try Peer(command: against).figure(
                        "secondsMedian", "\(name) --threads \(threads) --seconds \(seconds)" + (sound.map { " --sound \($0)" } ?? "")))
            }
            var fields = ["\"sense\":\"\(name)\"", "\"secondsMedian\":\(middle(ours))"]
            if !peers.isEmpty {
                fields += ["\"peerSecondsMedian\":\(middle(peers))", "\"ratio\":\(middle(zip(ours, peers).map { $0 / $1 }))"]
            }
            print("{\(fields.joined(separator: ","))}")
        }
    }

    private func pass(of name: String) throws -> () throws -> Void {
        switch name {
        case "sight":
            let network = try EfficientNetLite(path: "\(modelDirectory)/\(EfficientNetLite.fileName)", threads: threads)
            let picture = (0..<EfficientNetLite.input.reduce(1, *)).map { Float($0 * 37 % 255) / 128 - 1 }
            return { _ = try network.features(of: picture) }
        case "voice":
            var network = try VoiceActivity(path: "\(modelDirectory)/\(VoiceActivity.fileName)")
            let sound = (0..<VoiceActivity.sampleRate).map { Float(sin(Double($0) * 0.05)) * 0.3 }
            return { _ = try network.probabilities(of: sound) }
        case "hearing":
            guard let sound else { throw ValidationError("hearing wants --sound") }
            let network = try Whisper(path: "\(modelDirectory)/\(Whisper.fileName)", threads: threads)
            let wave = try Waveform(ofFile: readFile(sound, atMost: 1 << 28), maximumSeconds: 600).resampled(to: Whisper.sampleRate)
            return { _ = try network.tokens(of: Array(wave.samples.prefix(Whisper.window))) }
        default: throw ValidationError("there is no sense '\(name)'; there are sight, voice, hearing")
        }
    }

    /// The median over at least three passes.
    private func median(for seconds: Double, _ pass: () throws -> Void) throws -> Double {
        let clock = ContinuousClock(), end = clock.now + .seconds(seconds)
        var times: [Double] = []
        while clock.now < end || times.count < 3 {
            let start = clock.now
            try pass()
            times.append((clock.now - start) / .seconds(1))
        }
        return middle(times)
    }

    private func middle(_ numbers: [Double]) -> Double { numbers.sorted()[numbers.count / 2] }
}
