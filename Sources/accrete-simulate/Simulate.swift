import ArgumentParser
import Configuration
import Files
import Foundation
import Launch
import Playback
import Signals
import Statistics

/// Publishes a simulated AR session, generated from a seed, in the same way as the readings of sensors.
@main struct Simulate: StageCommand {
    static let configuration = CommandConfiguration(
        commandName: "accrete-simulate",
        abstract: "Publish a simulated AR session: camera frames, sounds and words about objects on a table.",
        discussion: """
            Examples:
              accrete-simulate --set simulate.moments=500
              accrete-simulate --write DIR --set simulate.moments=100    writes a session directory instead
            """)

    @OptionGroup var arguments: StageArguments
    @Option(help: "Write the session to this directory instead of publishing it.") var write: String?

    func launch() async throws {
        var settings = try arguments.settings(GraphSettings.self)
        let world = settings.simulate.world
        let events = try SimulatedSession(seed: UInt64(settings.seed), world, moments: settings.simulate.moments)
        if let write {
            var writer = try SessionWriter(path: write)
            for event in events { try writer.write(event) }
            return try StandardOutput.writeNow("\(write): \(settings.simulate.moments) moments\n")
        }
        settings.play.speed = settings.simulate.rate * (world.shortestMoment + world.longestMoment) / 2
        let player = try SessionPlayer(settings, source: "simulator", environment: ProcessInfo.processInfo.environment)
        try await player.play(events.lazy.map { .success($0) })
    }
}

/// The events of a simulated session, generated while the sequence is iterated.
struct SimulatedSession: Sequence, IteratorProtocol {
    private var simulator: Simulator
    /// The number of moments still to be generated; nil for a session without end.
    private var remaining: Int?
    private var events: ArraySlice<SessionEvent> = []

    init(seed: UInt64, _ world: Simulator.Configuration, moments: Int) throws(SettingsError) {
        simulator = try Simulator(seed: seed, world)
        remaining = moments > 0 ? moments : nil
    }

    mutating func next() -> SessionEvent? {
        if events.isEmpty {
            if let left = remaining {
                guard left > 0 else { return nil }
                remaining = left - 1
            }
            events = simulator.next().events[...]
        }
        return events.popFirst()
    }
}
