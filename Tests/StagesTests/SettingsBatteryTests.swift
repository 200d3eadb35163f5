import FilesTesting
import Messaging
import Model
import Pipeline
import Signals
import Testing
@testable import Configuration
@testable import Evaluate
@testable import Fuse
@testable import Learn
@testable import Timing
@testable import Wiring

/// Every setting with values that are bad or extreme: each is refused with a sentence, or what it sets can be built.
@Suite struct SettingsBatteryTests {
    private static let numbers = [
        "-1", "0", "1", "2", "7", "1000", "1000000", "1048576", "4294967296", "9223372036854775807", "-9223372036854775808",
        "9223372036854775808",
        "0.5", "-0.5", "1.5", "1e-300", "1e300", "-1e300", ".inf", ".nan", "1e400",
    ]
    private static let texts = [
        "\"\"", "x", "~", "\"~\"", "~/x", "../..", "\"a\\0b\"", "\"\\n\\e[2J\"", "{modality}", "-1", "010", "never", "model", "early",
        "[x]", "{a: b}",
        String(repeating: "x", count: 5000), "last:9223372036854775808", "last:-1", "der++,ewc,mir,lwf", ",", "/proc/x",
    ]
    private static let lists = [
        "[]", "[1]", "[[]]", "[[x, y]]", "[{}]", "[~]", "[\"\"]", "x", "{}", "[-1]", "[1e300, 0]", "[.nan]",
        "[{name: image, rows: -1, columns: 1}]",
        "[{name: image, rows: 9223372036854775807, columns: 9223372036854775807}]", "[{low: 1, high: 0}]", "[{low: -1e300, high: 1e300}]",
        "[{name: a, amount: 1e300}, {name: a}]",
        "[{name: a, detector: KSWIN, detectorSettings: {window_size: 9223372036854775807, stat_size: 5000}}]",
        "[{modality: image, tolerance: -1, lateness: 1e300}]", "[utterance, label]", "[local:a, local:b]",
    ]
    private static let mappings = [
        "{}", "x", "[]", "{a: 1}", "{learning_rate: -1}", "{learning_rate: 1e300}", "{learning_rate: .nan}", "{epsilon: 0}",
        "{epsilon: 1e-300}",
        "{beta1: 1}", "{weight_decay: 1e300}",
        "{schedule: {warmup_steps: 9223372036854775807, total_steps: -9223372036854775808, shape: cosine}}",
        "{schedule: {shape: square}}", "{match_weight: 1e300}", "{candidates: 9223372036854775807}", "{hidden: [4096, 4096, 4096]}",
        "{memory: 10000000}",
    ]

    /// Slightly more memory than the defaults need, so that what is built stays small.
    private static let limit = GraphMemory(GraphSettings()).total + 20_000_000

    /// A model that is built and learns quickly, for the settings of the learner.
    private static let small = [
        "model.senses=[{name: vector, rows: 1, columns: 16, embedding: 4, hidden: 8}]", "model.width=16", "model.heads=2", "model.layers=2",
        "model.joint=8",
        "model.text.length=8", "model.text.words=4", "model.text.buckets=32",
    ]

    private static func values(for key: String, _ plain: String) -> [String] {
        if key.hasSuffix("ettings") { return mappings }
        if plain.hasPrefix("[") { return lists }
        if Double(plain) != nil { return numbers }
        return plain == "true" || plain == "false" ? ["yes", "1", "~", "\"true\"", "[]", "false", "true"] : texts
    }

    private static func read(_ overrides: [String]) -> GraphSettings? {
        do {
            let reading = try GraphSettings.read(path: nil, environment: [:], overrides: overrides + ["supervise.memoryLimit=\(limit)"])
            return reading.lacking().isEmpty ? reading.settings : nil
        } catch {
            #expect(!error.problems.isEmpty && error.problems.allSatisfy { !$0.text.isEmpty }, "\(overrides)")
            return nil
        }
    }

    @Test(arguments: Set(GraphSettings().table.keys.map { String($0.prefix { $0 != "." }) }).sorted(by: >))
    func everySettingIsRefusedOrBuilt(section: String) async throws {
        for (key, plain) in GraphSettings().table.sorted(by: { $0.key < $1.key }) where key.prefix(while: { $0 != "." }) == section {
            for value in Self.values(for: key, plain) {
                guard let settings = Self.read((section == "model" ? [] : Self.small) + ["\(key)=\(value)"]) else { continue }
                do {
                    try await Self.build(settings, key)
                } catch {
                    Issue.record("\(key)=\(value) was accepted, but: \(error)")
                }
            }
        }
    }

    @Test func everyPolicyIsRefusedOrBuiltWithExtremeSettings() async throws {
        for (policy, space) in [
            ("bandit", "choices=4"), ("fixed", "choices=4"), ("ppo", "choices=4"), ("ddpg", "controls=[{low: -1, high: 1}]"),
            ("ppo", "text=true"),
        ] {
            let base = ["decide.policy=\(policy)", "decide.\(space)", "answer.after=[label]", "answer.temperature=1"]
            #expect(Self.read(base + ["decide.settings={}"]) != nil || policy == "ddpg" || space == "text=true", "\(policy)")
            for key in [
                "learning_rate", "batch", "minibatch", "epochs", "memory", "hidden", "confidence", "ridge", "exploration", "tau", "warmup",
                "texts", "rank",
            ] {
                for value in ["-1", "0", "1", "9223372036854775807", "1e300", "1e-300", "[4096, 4096]", "[1]"] {
                    guard let settings = Self.read(base + ["decide.settings={\(key): \(value)}"]) else { continue }
                    _ = try FuseProcessor(settings, clock: MonotonicClock())
                }
            }
            for value in ["decide.inputs=4096", "decide.choices=1024", "decide.observation=model", "decide.alone=true"] {
                guard let settings = Self.read(base + [value]) else { continue }
                _ = try FuseProcessor(settings, clock: MonotonicClock())
            }
        }
    }

    /// Builds what a setting configures, and lets it do one step.
    private static func build(_ settings: GraphSettings, _ key: String) async throws {
        switch key.prefix(while: { $0 != "." }) {
        case "signals": try extract(settings.signals)
        case "cut": cut(settings)
        case "simulate":
            let world = settings.simulate.world
            var simulator = try Simulator(seed: 1, world)
            if world.longestMoment * world.framesPerSecond <= 20 { _ = simulator.next() }
        case "fuse", "answer", "decide": _ = try FuseProcessor(settings, clock: MonotonicClock())
        case "evaluate": _ = try EvaluateProcessor(settings)
        case "messaging": try await open(settings)
        case "model", "seed", "learner", "learn", "personal":
            var withoutFiles = settings
            withoutFiles.learn.directory = ""
            _ = try LearnProcessor(withoutFiles, clock: MonotonicClock())
            guard settings.learner.stepsPerMoment < 5 else { return }
            var moment = MomentInput()
            (moment.text, moment.label) = ([1, 2], 0)
            let learner = try GuidedLearner(settings)
            for time in [Int64(1), 2] { _ = try learner.learn(moment, source: "", at: time) }
        default: _ = settings.stageOptions
        }
    }

    private static func extract(_ signals: SignalConfiguration) throws {
        let readings = [
            RawReading(text: "a red ball"), RawReading(vector: [1, 2, 3]),
            RawReading(
                modality: "image", format: "image/x-rgb8", width: 2, height: 2, channels: 3, payload: Array(repeating: 9, count: 12)),
            RawReading(modality: "audio", format: "audio/x-f32le", channels: 1, sampleRate: 8000, payload: Array(repeating: 0, count: 400)),
        ]
        for (name, _) in modalities {
            let frontend = try frontend(for: name, signals)
            for reading in readings where reading.modality == name { _ = try? frontend.features(of: reading) }  // a refusal is an answer
        }
    }

    private static func cut(_ settings: GraphSettings) {
        var cutter = MomentCutter(settings.cut, epoch: 1, doubts: true)
        for (session, time) in [("a", Int64(0)), ("b", 5), ("a", 1_000_000_000), ("a", 86_400_000_000_000), ("c", -5)] {
            var event = MomentCutter.Event(session: session, time: time)
            event.arrived = abs(time)
            _ = try? cutter.take(event)  // a refusal is an answer
            event.ends = .explicit
            _ = try? cutter.take(event)
        }
        _ = cutter.finish()
    }

    private static func open(_ settings: GraphSettings) async throws {
        let folder = Folder(), bus = try ZeroMQBus(), limits = settings.stageOptions.limits
        var options = PublisherOptions()
        options.limits = limits
        options.limits.lingerMilliseconds = 0
        let publisher = try bus.publisher(.bind, [Endpoint("ipc://" + folder.path("bus"))], options: options)
        let subscriber = try bus.subscriber(to: [Subscription(publisher.endpoints, topics: ["t/"])], limits: options.limits)
        _ = try publisher.publish("t/", header: [1, 2, 3], payload: [])
        publisher.close()
        subscriber.cancel()
        await bus.end()
    }
}
