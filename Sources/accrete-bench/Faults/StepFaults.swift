import Foundation
import Journal
import Statistics

/// Ends the process, or lets the disk fail, at every step of writing a journal, and reads what is there afterwards.
enum StepFaults {
    struct Result: Encodable {
        /// Kills and losses of power, by the step before or after which they came; each is tried with the unsynced bytes kept and lost.
        var kills: [String: Int] = [:]
        /// Steps that failed once, by the step and the system's message.
        var failures: [String: Int] = [:]
        /// Records that were durable and are not there; that are there twice or out of order; ordinals that would be given twice.
        var lost = 0
        var repeated = 0
        var reused = 0
        /// Failures after which writing did not recover.
        var unrecovered = 0
        /// The wall clock set forward and back by ten years: records that are needed and were removed.
        var removedByClock = 0

        var isGood: Bool { lost + repeated + reused + unrecovered + removedByClock == 0 }

        var lines: [String] {
            func list(_ counts: [String: Int]) -> String {
                counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            }
            return [
                "killed before and after: \(list(kills))", "failed once: \(list(failures))",
                "durable records lost \(lost), twice \(repeated), ordinals reused \(reused), not recovered \(unrecovered), "
                    + "removed by the wall clock \(removedByClock)",
            ]
        }
    }

    private static let records: UInt64 = 40
    private static let messages = ["No space left on device", "Read-only file system", "Input/output error"]

    private static var bounds: JournalBounds {
        var bounds = JournalBounds()
        (bounds.segmentBytes, bounds.waitingRecords, bounds.bytes) = (700, 16, 4_000)
        return bounds
    }

    private static func record(_ ordinal: UInt64) -> JournalRecord {
        JournalRecord(
            ordinal: ordinal, type: 1, key: Array("source\(ordinal % 4)".utf8), mark: Array("\(ordinal)".utf8),
            body: (0..<Int(ordinal * 37 % 90)).map { UInt8(($0 + Int(ordinal)) & 0xFF) })
    }

    static func run(in directory: String, seed: UInt64) throws -> Result {
        var result = Result(), number = 0
        func fresh() throws -> DirectoryStorage {
            number += 1
            let path = "\(directory)/\(number)"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            return try DirectoryStorage(path, writes: false)
        }
        let whole = InterruptedStorage(try fresh())
        _ = try write(to: whole)
        let steps = whole.steps
        for step in steps.indices {
            for fault in [InterruptedStorage.Fault.killBefore, .killAfter] {
                for losesPower in [false, true] { try kill([step: fault], losesPower, in: fresh(), &result) }
            }
            for message in messages { try fail(step, message, in: fresh(), &result) }
        }
        // The steps of recovering from a failure: the segment is cut, or renamed.
        var random = RandomSource(seed: seed)
        for _ in 0..<steps.count {
            let step = random.uniform(below: steps.count), next = step + 1 + random.uniform(below: 4)
            let fault: InterruptedStorage.Fault = random.uniform(below: 2) == 0 ? .killBefore : .killAfter
            try kill([step: .failure(messages[2]), next: fault], random.uniform(below: 2) == 0, in: fresh(), &result)
        }
        try setClock(in: fresh(), &result)
        return result
    }

    /// Commits the records in batches, giving those again that a failure has left, until the process is gone.
    /// - Returns: the newest record that is durable, and the newest ordinal given.
    private static func write(to storage: InterruptedStorage) throws -> (durable: UInt64, given: UInt64) {
        guard var writer = try? JournalWriter(storage, bounds, at: 0) else { return (0, 0) }
        var next: UInt64 = 1, given: UInt64 = 0, failures = 0
        while next <= records, failures < 8 {
            let batch = (next...min(records, next + next % 4)).map(record)
            given = max(given, batch[batch.count - 1].ordinal)
            // Nothing before the last twenty is needed.
            do { try writer.commit(batch, at: Int64(next), released: next > 20 ? next - 20 : 0) } catch { failures += 1 }
            next = writer.durable + 1
        }
        return (writer.durable, given)
    }

    private static func kill(
        _ faults: [Int: InterruptedStorage.Fault], _ losesPower: Bool, in directory: DirectoryStorage, _ result: inout Result
    ) throws {
        let storage = InterruptedStorage(directory, faults: faults), (durable, given) = try write(to: storage)
        let step = faults.keys.max() ?? 0
        guard step < storage.steps.count else { return }
        result.kills[storage.steps[step], default: 0] += 1
        if losesPower { try storage.losePower() }
        var wide = bounds
        wide.bytes = 1 << 20  // nothing is removed by opening it
        let writer = try JournalWriter(directory, wide, at: 0, released: 0)
        if writer.next <= given { result.reused += 1 }
        try judge(directory, durable, given, &result)
    }

    private static func fail(_ step: Int, _ message: String, in directory: DirectoryStorage, _ result: inout Result) throws {
        let storage = InterruptedStorage(directory, faults: [step: .failure(message)])
        let (durable, given) = try write(to: storage)
        result.failures["\(storage.steps[min(step, storage.steps.count - 1)]): \(message)", default: 0] += 1
        // Where opening failed there is nothing yet; the process says so and is started again.
        if given > 0, durable < records { result.unrecovered += 1 }
        try judge(directory, durable, given, &result)
    }

    private static func judge(_ directory: DirectoryStorage, _ durable: UInt64, _ given: UInt64, _ result: inout Result) throws {
        var found: [UInt64] = [], isSame = true
        let inspection = try JournalInspection(of: directory) {
            found.append($0.ordinal)
            isSame = isSame && $0 == record($0.ordinal)
        }
        result.repeated += inspection.repeated + (isSame ? 0 : 1)
        // The oldest may have been removed, the newest may not have been durable.
        let needed = durable > 20 ? durable - 19 : 1
        let there = Set(found)
        if durable > 0 { result.lost += (needed...durable).count { !there.contains($0) } }
        result.lost += found.count { $0 > given }
    }

    /// Records that are needed stay, whatever the wall clock says.
    private static func setClock(in directory: DirectoryStorage, _ result: inout Result) throws {
        var writer = try JournalWriter(directory, JournalBounds(), at: 0), small = JournalBounds()
        small.segmentBytes = 700
        writer = try JournalWriter(directory, small, at: 0)
        let year: Int64 = 31_557_600_000_000_000
        let first = writer.next
        for index in 0..<records {
            let now = index % 2 == 0 ? 10 * year : -10 * year
            var one = record(index + 1)
            one.ordinal = first + index
            try writer.commit([one], at: now, released: 0)
        }
        result.removedByClock += Int(records) - (try JournalInspection(of: directory).records)
    }
}
