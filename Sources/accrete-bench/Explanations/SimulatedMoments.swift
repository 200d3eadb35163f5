import Model
import Signals

/// The model's inputs of simulated moments, without a graph: the newest reading of each modality.
struct SimulatedMoments {
    private var simulator: Simulator
    private let frontends: [String: any Modality]

    init(seed: UInt64, _ world: Simulator.Configuration) throws {
        simulator = try Simulator(seed: seed, world)
        frontends = Dictionary(uniqueKeysWithValues: try ["image", "audio", "vector"].map { ($0, try frontend(for: $0)) })
    }

    /// A world without changes: the same things and words, one speaker, and sensors that do not fail.
    static var steadyWorld: Simulator.Configuration {
        var world = Simulator.Configuration()
        world.newObjects = 0
        let never = 1_000_000_000
        (world.newWords, world.newSpeaker, world.firstDropout) = (never, never, never)
        return world
    }

    /// The next moments that ask a question, with the scenes that they show.
    mutating func asked(_ count: Int) throws -> [(input: MomentInput, scene: Scene)] {
        var moments: [(MomentInput, Scene)] = []
        while moments.count < count {
            let moment = simulator.next()
            guard let answer = moment.scene.answer else { continue }
            var input = MomentInput(label: answer, classes: Simulator.answers.count), newest: [String: RawReading] = [:]
            for case .reading(let reading) in moment.events {
                guard case .payload(let raw) = reading.content else { continue }
                newest[raw.modality] = raw
            }
            for (modality, frontend) in frontends {
                guard let raw = newest[modality] else { continue }
                input.senses[modality] = SenseInput(try frontend.features(of: raw))
            }
            input.text = newest["text"].map { $0.payload.map(Int.init) } ?? []
            moments.append((input, moment.scene))
        }
        return moments
    }
}
