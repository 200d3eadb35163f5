import ArgumentParser
import Foundation
import Launch
import Learn
import Learning
import Statistics

/// `accrete memory`: lists the replay memory of a learner.
struct MemoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "memory", abstract: "List the moments in a learner's replay memory: number and bytes by source and label.",
        discussion: """
            Reads the newest checkpoint of a run. `accrete order --forget SOURCE` removes the moments of a source.

            Examples:
              accrete memory
              accrete memory runs/kitchen --json
            """)

    @Argument(help: "The directory of the run; with --outside it is runs/live.") var directory = "runs/default"
    @Flag(help: "Print one JSON object for each moment.") var json = false

    func run() throws {
        let slots: [ReplaySlot]
        do {
            slots = try CheckpointStore.memory(
                of: FileManager.default.fileExists(atPath: "\(directory)/checkpoint") ? "\(directory)/checkpoint" : directory)
        } catch {
            throw StartFailure("there is no readable checkpoint in \(directory): \((error as? DecodingError)?.sentence ?? "\(error)")")
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            for slot in slots { print(String(decoding: try encoder.encode(slot), as: UTF8.self)) }
            return
        }
        print("\(slots.count) moments, \(slots.reduce(0) { $0.clampedAdding($1.bytes) }) bytes")
        for (source, own) in Dictionary(grouping: slots, by: \.source).sorted(by: { $0.key < $1.key }) {
            let labels = Dictionary(grouping: own, by: \.label).map { ($0.key.map(String.init) ?? "none", $0.value.count) }
            let name = source.isEmpty ? "(unnamed)" : printable(source), bytes = own.reduce(0) { $0.clampedAdding($1.bytes) }
            print(
                "  \(name): \(own.count), \(bytes) bytes, by label "
                    + labels.sorted { $0.0 < $1.0 }.map { "\($0.0): \($0.1)" }.joined(separator: ", "))
        }
    }
}
