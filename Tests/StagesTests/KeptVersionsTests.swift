import Files
import FilesTesting
import Foundation
import Testing
@testable import Learn

/// Which earlier versions stay.
struct KeptVersionsTests {
    @Test(arguments: [1, 2, 3, 6, 12])
    func whatStaysIsSpreadOverAllAges(most: Int) {
        var kept: [UInt64] = []
        for version in 1...1_000 as ClosedRange<UInt64> {
            kept.append(version)
            if kept.count > most { kept.remove(at: KeptVersions.leastMissed(kept)) }
        }
        #expect(kept.count == most && kept.last == 1_000)
        if most > 1 { #expect(kept.first == 1) }
        // Ages grow by a bounded factor from one to the next.
        if most == 12 {
            let ages = kept.dropLast().map { 1_000 - Double($0) }.reversed()
            #expect(zip(ages, ages.dropFirst()).allSatisfy { $1 / $0 < 4 }, "\(kept)")
            #expect((ages.first ?? 1_000) < 8, "\(kept)")
        }
    }

    @Test func whatWasLeftUnfinishedIsRemoved() throws {
        let folder = Folder()
        for name in ["kept/7", "kept/9", "kept/notes"] { try prepareDirectory(at: folder.path(name)) }
        try Data("x".utf8).write(to: URL(filePath: folder.path("kept/7/model.safetensors")))
        try Data("".utf8).write(to: URL(filePath: folder.path("kept/9/SHA256SUMS")))
        let kept = KeptVersions(directory: folder.path(""), most: 4)
        #expect(kept.versions == [9])
        #expect(!fileExists(folder.path("kept/7")) && fileExists(folder.path("kept/notes")))
    }
}
