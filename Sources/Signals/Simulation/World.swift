import Statistics

/// What there is to see, hear and say at one moment.
public struct World: Sendable, Equatable {
    /// How many colours and shapes, counted from the first.
    public var colours = 3
    public var shapes = 3
    /// Whether things have second names.
    public var hasNewWords = false
    /// 0 or 1: who speaks.
    public var speaker = 0
    public var camera = Camera.open
    public var hearsSound = true

    public enum Camera: String, Sendable {
        case open
        /// Something dark lies over the lens.
        case covered
        case lost
    }

    /// What is different from `earlier`, each in a few words.
    func changes(since earlier: World) -> [String] {
        var changes: [String] = []
        if colours > earlier.colours || shapes > earlier.shapes { changes.append("new objects") }
        if hasNewWords != earlier.hasNewWords { changes.append("new words") }
        if speaker != earlier.speaker { changes.append("a new speaker") }
        if camera != earlier.camera { changes.append(camera == .open ? "the camera is back" : "the camera is \(camera.rawValue)") }
        if hearsSound != earlier.hearsSound { changes.append(hearsSound ? "the microphone is back" : "the microphone is lost") }
        return changes
    }
}

/// When the world changes, in moments. The seed moves every date by up to a tenth.
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

    /// The camera and the microphone drop out in turn; the camera is covered first, then gone.
    func world(at moment: Int) -> World {
        var world = World()
        if moment >= newObjects { (world.colours, world.shapes) = (Colour.allCases.count, Shape.allCases.count) }
        world.hasNewWords = moment >= newWords
        world.speaker = moment >= newSpeaker ? 1 : 0
        let (turn, place) = max(0, moment - firstDropout).quotientAndRemainder(dividingBy: dropoutPeriod)
        guard moment >= firstDropout, place < dropoutLength else { return world }
        if turn % 2 == 0 { world.camera = 2 * place < dropoutLength ? .covered : .lost } else { world.hearsSound = false }
        return world
    }
}
