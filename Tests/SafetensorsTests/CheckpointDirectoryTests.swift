import Files
import FilesTesting
import Foundation
import Synchronization
import Testing
@testable import Safetensors

struct CheckpointDirectoryTests {
    private let folder = Folder()
    private static let names = ["config.json", "model.safetensors", "training.safetensors"]

    private func contents(_ version: Int) -> [CheckpointDirectory.Content] {
        Self.names.map { .init($0, text: "\($0) of version \(version)\n" + String(repeating: "\(version)", count: 100 * version)) }
    }

    /// The common version of all files of an opened checkpoint.
    private func version(of opened: CheckpointDirectory.Opened?) throws -> Int? {
        guard let opened else { return nil }
        #expect(opened.names == Set(Self.names))
        let versions = try Self.names.map { name in
            let text = try String(contentsOfFile: try #require(opened[name]), encoding: .utf8)
            return try #require((1...9).first { text.hasPrefix("\(name) of version \($0)\n") })
        }
        #expect(Set(versions).count == 1, "\(versions)")
        return versions[0]
    }

    /// A directory whose steps fail from a given one on, as if the process had been killed there.
    private func interrupted(_ directory: String, at step: Int) -> CheckpointDirectory {
        let steps = Steps()
        var interrupted = CheckpointDirectory(directory)
        interrupted.beforeStep = { () throws(FileError) in
            guard steps.next() < step else { throw FileError(directory, .cannotWrite("killed")) }
        }
        return interrupted
    }

    private final class Steps: Sendable {
        private let count = Atomic(0)
        func next() -> Int { count.wrappingAdd(1, ordering: .relaxed).oldValue }
    }

    @Test func killedAnywhereWhileItIsWrittenTheOldOrTheNewCheckpointOpensWhole() throws {
        var steps = 0
        while true {
            let path = folder.path("killed-\(steps)"), directory = CheckpointDirectory(path)
            for version in 1...2 { try directory.write(contents(version)) }
            let isComplete = (try? interrupted(path, at: steps).write(contents(3))) != nil
            let found = try version(of: directory.open())
            #expect(found == 2 || found == 3, "killed at step \(steps): \(found ?? 0)")
            #expect(try version(of: directory.recover()) ?? 0 >= found ?? 0, "killed at step \(steps)")
            let recovered = try version(of: directory.open())
            try directory.write(contents(4))
            #expect(try version(of: directory.open()) == 4)
            #expect(try version(of: CheckpointDirectory("\(path)/previous").open()) == recovered, "killed at step \(steps)")
            #expect(!fileExists("\(path)/next"))
            if isComplete { break }
            steps += 1
        }
        #expect(steps > 15, "\(steps)")
    }

    @Test func killedWhileItRecoversTheCheckpointBeforeStillOpens() throws {
        for step in 0..<40 {
            let path = folder.path("recovering-\(step)"), directory = CheckpointDirectory(path)
            for version in 1...2 { try directory.write(contents(version)) }
            try Data("damaged".utf8).write(to: URL(filePath: "\(path)/training.safetensors"))
            if (try? interrupted(path, at: step).recover()) != nil {
                #expect(step > 5)
                return
            }
            #expect(try version(of: directory.open()) == 1)
            #expect(try version(of: directory.recover()) == 1)
        }
        Issue.record("it never recovers")
    }

    @Test func theFirstCheckpointIsThereWholeOrNotAtAll() throws {
        for step in 0..<30 {
            let path = folder.path("first-\(step)"), directory = CheckpointDirectory(path)
            let isComplete = (try? interrupted(path, at: step).write(contents(1))) != nil
            let found = try version(of: directory.recover())
            #expect(found == nil || found == 1)
            if isComplete { return }
        }
        Issue.record("it is never written")
    }

    /// A process killed while writing a file leaves its beginning under a temporary name.
    @Test func whatWasHalfWrittenIsRemovedAtTheNextStart() throws {
        let path = folder.path("half"), directory = CheckpointDirectory(path)
        try directory.write(contents(1))
        let process = try Process.run(URL(filePath: "/bin/true"), arguments: [])
        process.waitUntilExit()
        try prepareDirectory(at: "\(path)/next")
        for place in ["next/training.safetensors", "training.safetensors", "policy.safetensors"] {
            try Data("train".utf8).write(to: URL(filePath: "\(path)/\(place).\(process.processIdentifier).partial"))
        }
        #expect(try version(of: directory.recover()) == 1)
        #expect(fileNames(in: path) == ["SHA256SUMS"] + Self.names)
    }

    @Test func everyFlippedBitOfEveryFileIsFoundAndTheCheckpointBeforeIsTaken() throws {
        let path = folder.path("flipped"), directory = CheckpointDirectory(path)
        for version in 1...2 { try directory.write(contents(version)) }
        var seed: UInt64 = 20_260_729
        for name in Self.names + ["SHA256SUMS"] {
            let file = URL(filePath: "\(path)/\(name)"), whole = try Data(contentsOf: file)
            for _ in 0..<40 {
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let bit = Int(seed >> 33) % (8 * whole.count)
                var flipped = whole
                flipped[bit / 8] ^= 1 << (bit % 8)
                try flipped.write(to: file)
                let opened = try #require(try directory.open())
                #expect(try version(of: opened) == 1, "bit \(bit) of \(name)")
                #expect(opened.damage != nil)
            }
            for count in [0, 1, whole.count / 2, whole.count - 1] {
                try whole.prefix(count).write(to: file)
                #expect(try version(of: directory.open()) == 1, "\(count) bytes of \(name)")
            }
            try FileManager.default.removeItem(at: file)
            #expect(try version(of: directory.open()) == 1, "\(name) is missing")
            try whole.write(to: file)
        }
        #expect(try version(of: directory.open()) == 2)
    }

    @Test func aDamagedCheckpointWithoutOneBeforeItIsRefused() throws {
        let path = folder.path("only"), directory = CheckpointDirectory(path)
        try directory.write(contents(1))
        try Data("damaged".utf8).write(to: URL(filePath: "\(path)/config.json"))
        let error = try #require(throws: FileDamage.self) { try directory.open() }
        #expect(
            error.description
                == "\(path)/config.json is damaged: it does not match SHA256SUMS, and there is no complete preceding checkpoint "
                + "in \(path)/previous. Move \(path) away to start again")
    }

    @Test func aWriteThatFailsLeavesTheCheckpointAndNothingElse() throws {
        struct Failure: Error {}
        let path = folder.path("failed"), directory = CheckpointDirectory(path)
        try directory.write(contents(1))
        #expect(throws: FileError.self) { try directory.write(contents(2) + [.init("policy.safetensors") { _ in throw Failure() }]) }
        #expect(try version(of: directory.open()) == 1)
        #expect(fileNames(in: path) == ["SHA256SUMS"] + Self.names)
    }

    @Test func theListIsThatOfSha256sum() throws {
        let path = folder.path("listed")
        try CheckpointDirectory(path).write(contents(1))
        let process = Process()
        (process.executableURL, process.currentDirectoryURL) = (URL(filePath: "/usr/bin/sha256sum"), URL(filePath: path))
        (process.arguments, process.standardOutput) = (["--check", "--strict", "SHA256SUMS"], FileHandle.nullDevice)
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    @Test(arguments: ["", "\n", "../x", "a/b", "SHA256SUMS", ".", ".."])
    func aListThatNamesWhatIsNoFileOfTheDirectoryIsRefused(name: String) throws {
        try Data("\(String(repeating: "0", count: 64))  \(name)\n".utf8).write(to: URL(filePath: folder.path("SHA256SUMS")))
        #expect(throws: FileDamage.self) { try FileDigests(of: folder.path) }
    }

    @Test func aModelThatIsNotWhatItsListSaysIsNotOpened() throws {
        let path = folder.path("model"), weights = TensorContent(name: "w", shape: [2], floats: [1, 2])
        try CheckpointDirectory(path).write([
            .init("model.safetensors", [weights]), .init("vocab.json", text: "{}"), .init("ledger.jsonl", text: "{}"),
        ])
        #expect(try TensorArchive(directory: path).tensor("w").floats() == [1, 2])
        try Data("x".utf8).write(to: URL(filePath: "\(path)/ledger.jsonl"))
        #expect(try TensorArchive(directory: path).tensor("w").floats() == [1, 2])
        try Data("{ }".utf8).write(to: URL(filePath: "\(path)/vocab.json"))
        #expect(throws: SafetensorsError(path, .damaged("\(path)/vocab.json is damaged: it does not match SHA256SUMS"))) {
            try TensorArchive(directory: path)
        }
    }
}
