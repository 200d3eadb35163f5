import Foundation
import Statistics

/// Generates a simulated AR session from a seed: the user looks at two objects on a table, a sound indicates one of them, and
/// words ask for its colour or its shape, or state its name. Equal seeds and configurations give equal sessions, byte for byte.
///
/// A moment consists of camera frames (JPEG), each with a pose of the headset, the sound (WAV), the words, which end the moment, and,
/// after a question, a label: the answer as an index into `answers`. Times are computed: nothing waits and no clock is read.
/// In the course of the session new objects and new words appear, the speaker changes, and camera and microphone fail and recover.
public struct Simulator: Sendable {
    /// The names of the labels: all colours, then all shapes.
    public static let answers = TableTalk.names.colours + TableTalk.names.shapes

    public struct Configuration: Codable, Sendable, Equatable {
        /// The name of the session, or the prefix of the names if `momentsPerSession` is positive.
        public var session = "table"
        /// The number of the user; 0 is the default user. Every other user has an individual pitch, and users of odd number take the
        /// low sound for the right; this can be learned only from the user's labels.
        public var user = 0
        /// The number of moments of each session, after which the next user begins a new session; 0 for one session without end.
        public var momentsPerSession = 0
        /// The number of sessions of user 0 before those of `user`, `user` + 1, and so on.
        public var plainSessions = 0
        public var framesPerSecond = 10.0
        /// The duration of a moment is uniform from shortest to longest, in seconds.
        public var shortestMoment = 0.5
        public var longestMoment = 1.0
        /// Seconds from the end of a moment until its label is known.
        public var labelDelay = 0.0
        /// The moments at which the session changes; each is shifted by up to a tenth, depending on the seed.
        public var newObjects = 400
        public var newWords = 600
        public var newSpeaker = 800
        public var firstDropout = 1_000
        /// Moments from one dropout to the next; camera and microphone alternate.
        public var dropoutPeriod = 200
        /// The number of moments of a dropout.
        public var dropoutLength = 40

        public init() {}

        public var problems: [SettingsError] {
            [
                Simulator.isName(session)
                    ? nil : SettingsError("session", "'\(session.prefix(64))' is not 1 to 48 letters, digits, '-' and '_'"),
                .unless("user", user, in: 0...1_000_000_000),
                .unless("momentsPerSession", momentsPerSession, in: 0...1_000_000_000),
                .unless("plainSessions", plainSessions, in: 0...1_000_000_000),
                .unless("framesPerSecond", framesPerSecond, in: 1...120),
                .unless("shortestMoment", shortestMoment, in: 0.4...60),
                .unless("longestMoment", longestMoment, in: min(60, max(0.4, shortestMoment))...60),
                .unless("labelDelay", labelDelay, in: 0...86_400),
                .unless("newObjects", newObjects, in: 0...1_000_000_000),
                .unless("newWords", newWords, in: 0...1_000_000_000),
                .unless("newSpeaker", newSpeaker, in: 0...1_000_000_000),
                .unless("firstDropout", firstDropout, in: 0...1_000_000_000),
                .unless("dropoutPeriod", dropoutPeriod, in: 1...1_000_000_000),
                .unless("dropoutLength", dropoutLength, in: 0...max(0, dropoutPeriod.clampedSubtracting(1))),
            ].compactMap(\.self)
        }
    }

    /// Whether a text can be the name of a session, also followed by the number of a session.
    private static func isName(_ text: String) -> Bool {
        (1...48).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    /// A moment: the events of its sensors in time order, and the scene from which they were generated.
    public struct Moment: Sendable {
        /// Counted from 0.
        public let index: Int
        public let events: [SessionEvent]
        public let scene: Scene
        public let world: World
        /// The differences to the world of the preceding moment, each in a few words.
        public let changes: [String]
    }

    private let configuration: Configuration
    private let schedule: WorldSchedule
    private var scenes, pictures, sounds, words: RandomSource
    private var index = 0
    /// Nanoseconds.
    private var time: Int64 = 0
    /// Position (metres) and orientation (radians) of the headset.
    private var pose = [Double](repeating: 0, count: 6)

    /// - Throws: the first setting with a value that is not allowed.
    public init(seed: UInt64, _ configuration: Configuration = Configuration()) throws(SettingsError) {
        if let problem = configuration.problems.first { throw problem }
        self.configuration = configuration
        var random = RandomSource(seed: seed)
        schedule = WorldSchedule(configuration, random: &random)
        (scenes, pictures, sounds, words) = (random.split(), random.split(), random.split(), random.split())
    }

    /// Generates the next moment.
    public mutating func next() -> Moment {
        let world = schedule.world(at: index)
        let scene = Scene(in: world, random: &scenes)
        let seconds = scenes.uniform(in: configuration.shortestMoment..<configuration.longestMoment.nextUp)
        let end = time.clampedAdding(Int64(nanosecondsIn: seconds))
        var events = frames(of: scene, in: world, until: end)
        let sound = TableSounds.sound(of: scene, speaker: world.speaker, user: wearer.user, random: &sounds)
        if world.hasSound {
            let soundReading = reading(
                at: time.clampedAdding(60_000_000), "microphone",
                RawReading(modality: "audio", format: "audio/wav", payload: WAV.encode(sound)))
            events.insert(soundReading, at: events.firstIndex { $0.time > soundReading.time } ?? events.endIndex)
        }
        let utterance = TableTalk.utterance(about: scene, in: world, random: &words)
        events.append(reading(at: end, "speech", RawReading(text: utterance), endsMoment: true))
        if let answer = scene.answer {
            events.append(
                .label(
                    .init(
                        time: end, session: wearer.session, label: answer, classes: Self.answers.count,
                        knownAt: end.clampedAdding(Int64(nanosecondsIn: configuration.labelDelay)))))
        }
        let changes = index == 0 ? [] : world.changes(since: schedule.world(at: index - 1))
        defer {
            index += 1
            time = end
        }
        return Moment(index: index, events: events, scene: scene, world: world, changes: changes)
    }

    /// The current user and the name of the session: `table`, or `table-0`, `table-1` … if `momentsPerSession` is positive.
    private var wearer: (session: String, user: Int) {
        guard configuration.momentsPerSession > 0 else { return (configuration.session, configuration.user) }
        let number = index / configuration.momentsPerSession, isPlain = number < configuration.plainSessions
        return ("\(configuration.session)-\(number)", isPlain ? 0 : configuration.user + number - configuration.plainSessions)
    }

    /// The camera frames, each with a pose, beginning shortly after the start of the moment.
    private mutating func frames(of scene: Scene, in world: World, until end: Int64) -> [SessionEvent] {
        let setting = TableCamera.Setting(random: &pictures)
        let first = time.clampedAdding(50_000_000)
        return stride(from: first, to: end, by: Int64.Stride(clamping: 1e9 / configuration.framesPerSecond)).flatMap { time in
            for axis in pose.indices { pose[axis] = 0.9 * pose[axis] + 0.1 * pictures.normal() }
            let shake = SIMD2(Float(pose[0]), Float(pose[1])) * 2
            let picture =
                world.camera == .open
                ? TableCamera.frame(of: scene, setting, shake: shake, random: &pictures) : TableCamera.darkness(random: &pictures)
            let raw = RawReading(modality: "image", format: "image/jpeg", payload: JPEG.encode(picture, quality: 92))
            let headset = reading(at: time, "headset", RawReading(vector: pose.map { Float($0) }))
            return world.camera == .lost ? [headset] : [headset, reading(at: time, "camera", raw)]
        }
    }

    private func reading(at time: Int64, _ source: String, _ raw: RawReading, endsMoment: Bool = false) -> SessionEvent {
        .reading(
            .init(
                time: time, session: wearer.session, source: source, modality: raw.modality, content: .payload(raw), endsMoment: endsMoment)
        )
    }
}
