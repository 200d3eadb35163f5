import FilesTesting
import Foundation
import Testing
@testable import Files

@Suite struct ReplaceFileTests {
    private let folder = Folder()

    @Test func aFailedWriteLeavesTheOldFile() throws {
        struct Interrupted: Error {}
        let path = folder.path("state")
        try replaceFile(at: path, with: "old")
        #expect(throws: FileError.self) { try replaceFile(at: path) { _ in throw Interrupted() } }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["state"])
    }

    @Test func aLinkStaysAndWhatItLeadsToIsReplaced() throws {
        try FileManager.default.createSymbolicLink(atPath: folder.path("link"), withDestinationPath: "target")
        try replaceFile(at: folder.path("link"), with: "new")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("link")) == "target")
        #expect(try String(contentsOfFile: folder.path("target"), encoding: .utf8) == "new")
    }

    @Test func aPipeIsWrittenToAndNotReplaced() throws {
        let pipe = folder.path("pipe")
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(throws: FileError(pipe, .cannotWrite("no process reads from it"))) { try replaceFile(at: pipe, with: "lost") }
        let reader = open(pipe, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        try replaceFile(at: pipe, with: "word")
        var buffer = [UInt8](repeating: 0, count: 8)
        #expect(read(reader, &buffer, 8) == 4)
        #expect(FileKind(of: pipe) == .pipe)
    }

    @Test func aDirectoryIsNeverReplaced() {
        #expect(throws: FileError(folder.path, .wrongKind(.directory))) { try replaceFile(at: folder.path, with: "") }
        #expect(throws: FileError(folder.path, .wrongKind(.directory))) { try checkReplaceable(folder.path) }
        #expect(throws: FileError(folder.path("none/x"), .cannotWrite("No such file or directory"))) {
            try checkReplaceable(folder.path("none/x"))
        }
        #expect(throws: Never.self) { try checkReplaceable(folder.path("new")) }
        #expect(throws: Never.self) { try checkReplaceable("/dev/null") }
    }

    /// A temporary file of a killed process is removed when the file is next replaced; that of a running process is kept.
    @Test func whatADeadProcessLeftUnfinishedIsRemoved() throws {
        let dead = try endedProcess()
        for process in [dead, getpid() == 1 ? dead : 1] {
            try Data([1]).write(to: URL(filePath: folder.path("state.\(process).partial")))
        }
        try Data([1]).write(to: URL(filePath: folder.path("state.notes.partial")))
        try replaceFile(at: folder.path("state"), with: "new")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == [
                "state", "state.1.partial", "state.notes.partial",
            ])
    }

    private func endedProcess() throws -> Int32 {
        let process = try Process.run(URL(filePath: "/bin/true"), arguments: [])
        process.waitUntilExit()
        return process.processIdentifier
    }
}

@Suite struct ReadFileTests {
    private let folder = Folder()

    @Test func onlyRegularFilesAreReadUnlessAsked() throws {
        let pipe = folder.path("pipe")
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(throws: FileError(pipe, .wrongKind(.pipe))) { try readFile(pipe, atMost: 10) }
        #expect(throws: FileError("/dev/zero", .wrongKind(.characterDevice))) { try readFile("/dev/zero", atMost: 10) }
        #expect(throws: FileError(folder.path, .wrongKind(.directory))) { try readFile(folder.path, atMost: 10, streams: true) }
    }

    @Test func anEndlessDeviceEndsAtTheLimit() {
        #expect(throws: FileError("/dev/zero", .tooLarge(limit: 100_000))) { try readFile("/dev/zero", atMost: 100_000, streams: true) }
    }

    @Test func aPipeIsReadToItsEnd() async throws {
        let pipe = folder.path("pipe")
        #expect(mkfifo(pipe, 0o600) == 0)
        let writer = try Process.run(URL(filePath: "/bin/sh"), arguments: ["-c", "printf one > \(pipe); printf two > /dev/null"])
        #expect(try readFile(pipe, atMost: 10, streams: true) == Array("one".utf8))
        writer.waitUntilExit()
    }

    @Test func aLargerFileIsRefusedBeforeItIsRead() throws {
        try replaceFile(at: folder.path("file"), with: "12345")
        #expect(try readFile(folder.path("file"), atMost: 5).count == 5)
        #expect(throws: FileError(folder.path("file"), .tooLarge(limit: 4))) { try readFile(folder.path("file"), atMost: 4) }
    }
}

struct ChecksumTests {
    /// The check values of https://reveng.sourceforge.io/crc-catalogue/17plus.htm
    @Test func checksumsAreThoseOfTheCatalogue() {
        let digits = Array("123456789".utf8)
        #expect(CRC32.of(digits) == 0xCBF4_3926 && CRC32.of([UInt8]()) == 0)
        #expect(CRC32C.checksum(of: digits) == 0xE306_9283)
    }

    @Test func aChecksumInPiecesIsThatOfTheWhole() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 31) }
        for cut in [0, 1, 7, 8, 9, 500, 999] {
            var sum = CRC32()
            sum.update(bytes[..<cut])
            sum.update(bytes[cut...])
            #expect(sum.value == CRC32.of(bytes))
        }
        #expect(CRC32.of(bytes) == 0x91F4_3DEC)
    }

    @Test func anOutputFileIsNewAndGrows() throws {
        let folder = Folder()
        let file = try OutputFile(creating: folder.path("a"))
        try file.append([1, 2])
        #expect(try readFile(folder.path("a"), atMost: 8) == [1, 2])
        try file.append([3])
        try file.sync()
        #expect(try readFile(folder.path("a"), atMost: 8) == [1, 2, 3])
        #expect(throws: FileError.self) { _ = try OutputFile(creating: folder.path("a")) }
    }
}
