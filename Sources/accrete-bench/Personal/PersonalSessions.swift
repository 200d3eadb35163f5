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
        var world = SimulatedMoments.steadyWorld
        world.user = user
        var moments = try SimulatedMoments(seed: seed, world)
        return try moments.asked(length).map(\.input)
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
