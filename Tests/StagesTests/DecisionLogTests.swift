import Files
import FilesTesting
import Foundation
import Reinforcement
import Testing
@testable import Learn

struct DecisionLogTests {
    private let folder = Folder()

    private func decision(_ number: Int) -> LoggedDecision {
        LoggedDecision(
            decision: "s/\(number)/1", policy: "ppo", version: 1, observation: [0.5, -1], choice: number % 2, logProbability: -0.7,
            value: 0, reward: Double(number), hasFeedback: true)
    }

    private func write(_ numbers: ClosedRange<Int>, capacity: Int) throws {
        var log = DecisionLog(directory: folder.path, capacity: capacity)
        for number in numbers {
            log.append(decision(number))
            try log.flush()
        }
    }

    private func rewards() throws -> [Int] { try DecisionLog.decisions(of: folder.path).log.map { Int($0.reward) } }

    @Test func whenItIsFullTheOneBeforeIsKeptAndItsPredecessorForgotten() throws {
        try write(1...25, capacity: 10)
        #expect(try rewards() == Array(11...25))
        #expect(try String(contentsOfFile: DecisionLog.oldPath(folder.path), encoding: .utf8).split(separator: "\n").count == 10)
        try write(26...31, capacity: 10)  // a restart counts the lines that are there
        #expect(try rewards() == Array(21...31))
        #expect(fileNames(in: folder.path) == ["decisions.jsonl", "decisions.old.jsonl"])
    }

    @Test func aBurstIsWrittenAtOnceAndInOrder() throws {
        var log = DecisionLog(directory: folder.path, capacity: 1000)
        for number in 1...255 { log.append(decision(number)) }
        #expect(!log.isFull)
        log.append(decision(256))
        #expect(log.isFull)
        try log.flush()
        #expect(try rewards() == Array(1...256))
    }

    /// A process that was killed while writing a line loses that line only.
    @Test func anIncompleteLineIsSkippedAndNoOther() throws {
        try write(1...3, capacity: 10)
        let path = DecisionLog.path(folder.path), whole = try Data(contentsOf: URL(filePath: path))
        let third = try #require(whole.dropLast().lastIndex(of: UInt8(ascii: "\n"))) + 1
        for end in third + 1..<whole.count - 1 {
            try whole.prefix(end).write(to: URL(filePath: path))
            try write(4...5, capacity: 10)
            let (log, unreadable) = try DecisionLog.decisions(of: folder.path)
            #expect(log.map { Int($0.reward) } == [1, 2, 4, 5] && unreadable == 1, "cut after \(end) bytes")
        }
    }

    @Test func aLineWithAFlippedBitIsSkipped() throws {
        try write(1...3, capacity: 10)
        let path = DecisionLog.path(folder.path), whole = try Data(contentsOf: URL(filePath: path))
        let written = try DecisionLog.decisions(of: folder.path).log
        for bit in stride(from: 0, to: 8 * whole.count, by: 13) {
            var flipped = whole
            flipped[bit / 8] ^= 1 << (bit % 8)
            try flipped.write(to: URL(filePath: path))
            #expect(try DecisionLog.decisions(of: folder.path).log.allSatisfy(written.contains), "bit \(bit)")
        }
    }

    @Test func linesWithoutADigestAreAccepted() throws {
        let line = String(decoding: try JSONEncoder().encode(decision(7)), as: UTF8.self)
        try "\(line)\n".write(toFile: DecisionLog.path(folder.path), atomically: true, encoding: .utf8)
        #expect(try rewards() == [7])
    }

    @Test func failedWritesAreCountedAndReported() throws {
        var log = DecisionLog(directory: folder.path, capacity: 10)
        try FileManager.default.createDirectory(atPath: DecisionLog.path(folder.path), withIntermediateDirectories: true)
        log.append(decision(1))
        #expect(throws: FileError(DecisionLog.path(folder.path), .wrongKind(.directory))) { try log.flush() }
        #expect(log.failures == 1)
        #expect(throws: FileError.self) { try DecisionLog.decisions(of: folder.path) }
    }
}
