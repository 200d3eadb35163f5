import Foundation
import Model
import Signals
import Statistics

/// Sessions of known users, in the order of the stream, and of users that nothing was learned from.
struct PersonalSessions {
    let name: String
    let model: MultimodalConfiguration
    /// The moments that the shared model learns before the users' sessions.
    var before: [[MomentInput]] = []
    let known, new: [[MomentInput]]

    /// Simulated users who each have a pitch and a habit of their own.
    static func simulated(before: Int, known: Int, new: Int, length: Int, seed: UInt64) throws -> PersonalSessions {
        func sessions(_ numbers: Range<Int>, user: (Int) -> Int) throws -> [[MomentInput]] {
            try numbers.map { try session(ofUser: user($0), length: length, seed: seed &* 100_003 &+ UInt64($0)) }
        }
        let users = try sessions(1..<1 + known + new) { $0 }
        return PersonalSessions(
            name: "\(known) known users, \(new) new ones", model: MultimodalConfiguration(),
            before: try sessions(50_000..<50_000 + before) { _ in 0 }, known: Array(users.prefix(known)), new: Array(users.suffix(new)))
    }

    /// The labelled moments of one simulated session.
    private static func session(ofUser user: Int, length: Int, seed: UInt64) throws -> [MomentInput] {
        var world = Simulator.Configuration()
        world.user = user
        world.newObjects = 0
        let never = 1_000_000_000
        (world.newWords, world.newSpeaker, world.firstDropout) = (never, never, never)
        var simulator = try Simulator(seed: seed, world)
        let frontends = Dictionary(uniqueKeysWithValues: try ["image", "audio", "vector"].map { ($0, try frontend(for: $0)) })
        var moments: [MomentInput] = []
        while moments.count < length {
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
            moments.append(input)
        }
        return moments
    }

    /// Every speaker's moments cut into sessions; each speaker is the new user once.
    static func speakers(of directory: String, length: Int, seed: UInt64) throws -> [PersonalSessions] {
        let moments = try AV3MNISTData(directory: directory).moments()
        let speakers = try CSVFile(path: "\(directory)/manifest.csv").texts(of: "speaker")
        var model = MultimodalConfiguration()
        model.senses = [.image, .audio]
        let sessions = Dictionary(grouping: zip(speakers, moments), by: \.0).mapValues { spoken in
            stride(from: 0, through: spoken.count - length, by: length).map { start in spoken[start..<start + length].map(\.1) }
        }
        return sessions.keys.sorted().map { speaker in
            var known = sessions.filter { $0.key != speaker }.sorted { $0.key < $1.key }.flatMap(\.value)
            var random = RandomSource(seed: seed)
            random.shuffle(&known)
            return PersonalSessions(name: "\(speaker) is new", model: model, known: known, new: sessions[speaker] ?? [])
        }
    }
}
