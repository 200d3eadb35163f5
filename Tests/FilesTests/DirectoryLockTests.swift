import Files
import FilesTesting
import Foundation
import Testing

struct DirectoryLockTests {
    private let folder = Folder()

    @Test func aDirectoryIsKeptForOneUntilItIsReleased() throws {
        do {
            let lock = try DirectoryLock(folder.path("a/b"))
            let refusal = #expect(throws: FileError.self) { _ = try DirectoryLock(folder.path("a/b")) }
            #expect(refusal?.description == "\(folder.path("a/b")) cannot be written: another process (\(getpid())) is using it")
            _ = try DirectoryLock(folder.path("a"))  // another directory
            _ = consume lock
        }
        _ = try DirectoryLock(folder.path("a/b"))
    }

    @Test func sharedLocksExcludeAnExclusiveOne() throws {
        let first = try DirectoryLock(folder.path, name: "shared", isShared: true),
            second = try DirectoryLock(folder.path, name: "shared", isShared: true)
        #expect(throws: FileError.self) { _ = try DirectoryLock(folder.path, name: "shared") }
        _ = consume first
        #expect(throws: FileError.self) { _ = try DirectoryLock(folder.path, name: "shared", patience: 40) }
        _ = consume second
        _ = try DirectoryLock(folder.path, name: "shared")
    }

    @Test func aFileInPlaceOfADirectoryIsRefusedWithASentence() throws {
        try Data().write(to: URL(fileURLWithPath: folder.path("file")))
        for (path, why) in [
            ("file", "it is a regular file, not a directory"), ("file/below", "\(folder.path("file")) is a regular file, not a directory"),
        ] {
            let refusal = #expect(throws: FileError.self) { _ = try DirectoryLock(folder.path(path)) }
            #expect(refusal?.description == "\(folder.path(path)) cannot be written: \(why)")
            #expect(#expect(throws: FileError.self) { try prepareDirectory(at: folder.path(path)) } == refusal)
        }
    }
}
