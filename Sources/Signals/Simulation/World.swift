import Statistics

/// The state of the simulation at a moment: the possible objects and words, the speaker and the state of the sensors.
public struct World: Sendable, Equatable {
    /// The number of colours in use, from the first.
    public var colours = 3
    /// The number of shapes in use, from the first.
    public var shapes = 3
    /// Whether the second names of objects are used too.
    public var hasNewWords = false
    /// The speaker: 0 or 1.
    public var speaker = 0
    public var camera = Camera.open
    public var hasSound = true

    public enum Camera: String, Sendable {
        case open
        /// The lens is covered: the frames are dark.
        case covered
        /// There are no frames.
        case lost
    }

    /// The differences to `earlier`, each in a few words.
    func changes(since earlier: World) -> [String] {
        var changes: [String] = []
        if colours > earlier.colours || shapes > earlier.shapes { changes.append("new objects") }
        if hasNewWords != earlier.hasNewWords { changes.append("new words") }
        if speaker != earlier.speaker { changes.append("a new speaker") }
        if camera != earlier.camera { changes.append(camera == .open ? "the camera is back" : "the camera is \(camera.rawValue)") }
        if hasSound != earlier.hasSound { changes.append(hasSound ? "the microphone is back" : "the microphone is lost") }
        return changes
    }
}

/// The moments at which the world changes. Each is shifted by up to a tenth, depending on the seed.
struct WorldSchedule: Sendable {
    private let newObjects: Int
    private let newWords: Int
    private let newSpeaker: Int
    private let firstDropout: Int
    private let dropoutPeriod: Int
    private let dropoutLength: Int

    init(_ configuration: Simulator.Configuration, random: inout RandomSource) {
        func moved(_ moment: Int) -> Int { Int((Double(moment) * random.uniform(in: 0.9..<1.1)).rounded()) }
        newObjects = moved(configuration.newObjects)
        newWords = moved(configuration.newWords)
        newSpeaker = moved(configuration.newSpeaker)
        firstDropout = moved(configuration.firstDropout)
        dropoutPeriod = configuration.dropoutPeriod
        dropoutLength = configuration.dropoutLength
    }

    /// Camera and microphone drop out alternately; the camera is covered for the first half of its dropout and lost for the second.
    func world(at moment: Int) -> World {
        var world = World()
        if moment >= newObjects { (world.colours, world.shapes) = (Colour.allCases.count, Shape.allCases.count) }
        world.hasNewWords = moment >= newWords
        world.speaker = moment >= newSpeaker ? 1 : 0
        let (turn, place) = max(0, moment - firstDropout).quotientAndRemainder(dividingBy: dropoutPeriod)
        guard moment >= firstDropout, place < dropoutLength else { return world }
        if turn % 2 == 0 { world.camera = 2 * place < dropoutLength ? .covered : .lost } else { world.hasSound = false }
        return world
    }
}
