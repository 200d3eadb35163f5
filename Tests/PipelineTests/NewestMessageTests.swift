import Files
import FilesTesting
import Foundation
import Schema
import Testing
@testable import Pipeline

struct NewestMessageTests {
    private let folder = Folder()

    private func stamp(_ source: String, _ epoch: UInt64, _ sequence: UInt64) -> Stamp {
        .with { ($0.source, $0.epoch, $0.sequence) = (source, epoch, sequence) }
    }

    private func opened(passingOver messages: [PassedOver] = []) throws -> NewestMessage {
        try NewestMessage(NewestMessage.path(of: "fuse", in: folder.path), passingOver: messages)
    }

    @Test func whatWasTakenLastIsReadBackWhileTheStageIsThere() throws {
        let newest = try opened()
        #expect(NewestMessage.read(of: "fuse", in: folder.path) == nil)
        #expect(newest.note(stamp("camera", .max, 3), on: "feature.image/"))
        #expect(newest.note(stamp("mi\nke", 7, .max), on: "feature.a/"))
        let read = NewestMessage.read(of: "fuse", in: folder.path)
        #expect(read == PassedOver(topic: "feature.a/", source: "mi\nke", epoch: 7, sequence: .max))
        #expect(read?.description == "message 18446744073709551615 of \"mi\\nke\" on \"feature.a/\"")
        _ = try opened()  // the next start
        #expect(NewestMessage.read(of: "fuse", in: folder.path) == nil)
    }

    @Test func oneMessageIsPassedOverAndNoOther() throws {
        let newest = try opened(passingOver: [
            PassedOver(topic: "a/", source: "x", epoch: 7, sequence: 3), PassedOver(topic: "b/", source: "x", epoch: nil, sequence: 5),
        ])
        #expect(!newest.note(stamp("x", 7, 3), on: "a/"))
        for (epoch, sequence, topic) in [(8, 3, "a/"), (7, 4, "a/"), (7, 3, "c/"), (7, 3, "b/")] as [(UInt64, UInt64, String)] {
            #expect(newest.note(stamp("x", epoch, sequence), on: topic))
        }
        #expect(newest.note(stamp("y", 7, 3), on: "a/"))
        #expect(!newest.note(stamp("x", 1, 5), on: "b/") && !newest.note(stamp("x", 2, 5), on: "b/"))
    }

    @Test func namesOfAnyLengthAreKeptApartByTheirBeginning() throws {
        let long = String(repeating: "ä", count: 100_000)
        let newest = try opened()
        #expect(newest.note(stamp(long, 1, 1), on: long))
        let message = try #require(NewestMessage.read(of: "fuse", in: folder.path))
        #expect(message.topic.utf8.count == 1024 && message.source == message.topic)
        #expect(try !opened(passingOver: [message]).note(stamp(long, 1, 1), on: long))
    }

    @Test func theListIsBoundedAndAReplaysListEnds() throws {
        let first = (1...1000).map { PassedOver(topic: "a/", source: "x", epoch: 1, sequence: $0) }
        try replaceFile(at: folder.path("learn.passed-over.json"), with: String(decoding: JSONEncoder().encode(first), as: UTF8.self))
        for number: UInt64 in 1001...1002 {
            #expect(try PassedOver.add(.init(topic: "a/", source: "x", epoch: 1, sequence: number), of: "learn", in: folder.path))
        }
        #expect(try PassedOver.read(of: "learn", in: folder.path).map(\.sequence) == Array(3...1002))
        #expect(try !PassedOver.add(.init(topic: "a/", source: "x", epoch: 1, sequence: 1002), of: "learn", in: folder.path))
        #expect(try !PassedOver.add(.init(topic: "a/", source: "x", epoch: nil, sequence: 9), of: "learn", in: folder.path))
        PassedOver.forget(of: "learn", in: folder.path)
        #expect(try PassedOver.read(of: "learn", in: folder.path).isEmpty)
    }

    @Test func whatIsNoListIsRefused() throws {
        try replaceFile(at: folder.path("learn.passed-over.json"), with: "[1]")
        #expect(throws: FileError.self) { try PassedOver.read(of: "learn", in: folder.path) }
    }
}
