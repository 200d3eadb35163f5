import FilesTesting
import Foundation
import Messaging
import Pipeline
import Schema
import Testing
@testable import Updates

/// An independent implementation, `deploy/examples/verify_update.py`, believes the same updates.
private enum Python {
    static let examples = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().appending(path: "deploy/examples")
    static let isThere = (try? run("-c", "import cryptography, google.protobuf").status) == 0

    static func run(_ arguments: String...) throws -> (status: Int32, output: String) {
        let process = Process(), output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [ProcessInfo.processInfo.environment["ACCRETE_PYTHON"] ?? "python3"] + arguments
        process.currentDirectoryURL = examples
        (process.standardOutput, process.standardError) = (output, output)
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }
}

struct VerifierInPythonTests {
    @Test(.enabled(if: nothingMayBeMissing || Python.isThere, "no Python with cryptography and protobuf"))
    func believesWhatIsSignedAndNothingElse() throws {
        let folder = Folder(), root = UpdateKeys(folder.path("root")), learner = UpdateKeys(folder.path("learner"))
        let now = WallClock().now.nanoseconds
        try root.makeRoot()
        try root.signKey(into: learner, name: "learner", seconds: 3_600, at: now)
        var signer = try PassportSigner(learner, base: [1], settings: [2], code: "0.1.0", lifetime: 600)
        let frames: [[UInt8]] = [[1, 2, 3, 4], [5, 6]]
        var update = ModelUpdate.with { ($0.version, $0.momentWatermark, $0.sha256) = (7, 40, Data(sha256(of: [1, 2, 3, 4, 5, 6]))) }
        let passport = Passport.with { ($0.topic, $0.version, $0.momentWatermark, $0.reason) = ("model.update/", 7, 40, "moments") }
        let signed = signer.sign(passport, payload: frames.map { Payload($0) }, digest: update.sha256)
        update.passport = try #require(signed)
        func verify(_ update: ModelUpdate, _ frames: [[UInt8]], by keys: UpdateKeys = learner) throws -> (status: Int32, output: String) {
            let place = folder.path("saved-\(UUID().uuidString)")
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
            try update.serializedData().write(to: URL(filePath: "\(place)/header"))
            for (index, frame) in frames.enumerated() { try Data(frame).write(to: URL(filePath: "\(place)/part-00\(index)")) }
            return try Python.run("verify_update.py", place, keys.rootPublic)
        }
        let good = try verify(update, frames)
        #expect(good.status == 0 && good.output == "version 7, signed by 'learner', 6 bytes, is whole: moments\n", "\(good.output)")
        #expect(try verify(update, frames, by: root).status == 0)
        #expect(try verify(update, [[1, 2, 3, 4], [5, 7]]).output == "not believed: its parts are others\n")
        #expect(try verify(update, [[1, 2, 3, 4, 5, 6]]).status == 1)
        var other = update
        other.momentWatermark = 39
        #expect(try verify(other, frames).output == "not believed: its header says another moment_watermark\n")
        other = update
        other.passport.passport[3] ^= 1
        #expect(try verify(other, frames).output == "not believed: the passport was changed\n")
        let strangers = UpdateKeys(folder.path("strangers"))
        try strangers.makeRoot()
        #expect(try verify(update, frames, by: strangers).output == "not believed: no root key vouches for the key that signed\n")
    }
}

private func sha256(of bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes { Updates.sha256(of: $0) } }
