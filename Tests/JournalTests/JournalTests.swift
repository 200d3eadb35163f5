import Dispatch
import FilesTesting
import Statistics
import Testing
@testable import Journal

/// Records with content by which each is known, and what a journal holds of them.
private enum Sample {
    static var bounds: JournalBounds {
        var bounds = JournalBounds()
        (bounds.segmentBytes, bounds.waitingRecords, bounds.commitInterval, bounds.retryInterval) = (700, 16, 0, 0.001)
        return bounds
    }

    static func record(_ ordinal: UInt64) -> JournalRecord {
        JournalRecord(
            ordinal: ordinal, type: UInt16(1 + ordinal % 3), key: Array("source\(ordinal % 4)".utf8), mark: Array("\(ordinal)".utf8),
            body: (0..<Int(ordinal * 37 % 90)).map { UInt8(($0 + Int(ordinal)) & 0xFF) })
    }

    static func all(in storage: any JournalStorage, after ordinal: UInt64 = 0) throws -> (records: [JournalRecord], damage: [JournalDamage])
    {
        var reader = JournalReader(storage, after: ordinal), records: [JournalRecord] = [], damage: [JournalDamage] = []
        while let entry = try reader.next() {
            switch entry {
            case .record(let record): records.append(record)
            case .damage(let one): damage.append(one)
            }
        }
        return (records, damage)
    }
}

struct JournalWriterTests {
    /// Commits records 1… in batches of one to four until a step fails; what is durable then, and the ordinals given out.
    private func write(_ count: UInt64, to disk: FaultyDisk, from first: UInt64 = 1) throws -> (durable: UInt64, given: UInt64) {
        var writer = try JournalWriter(disk, Sample.bounds, at: 0, random: RandomSource(seed: 3)), next = max(first, writer.next)
        let last = next + count - 1
        while next <= last {
            let batch = (next...min(last, next + next % 4)).map(Sample.record)
            do {
                try writer.commit(batch, at: Int64(next), released: .max)
            } catch {
                return (writer.durable, batch[batch.count - 1].ordinal)
            }
            next += UInt64(batch.count)
        }
        return (writer.durable, last)
    }

    @Test func whatWasCommittedIsReadInOrderAcrossSegments() throws {
        let disk = FaultyDisk()
        #expect(try write(100, to: disk).durable == 100)
        let found = try Sample.all(in: disk)
        #expect(found.records == (1...100).map(Sample.record) && found.damage.isEmpty)
        #expect(try disk.names().count { $0.hasSuffix(".journal") } > 5)
        #expect(try Sample.all(in: disk, after: 73).records.map(\.ordinal) == Array(74...100))
    }

    /// After every step that changes the disk, and with whatever of the unsynced bytes a crash leaves: what was durable is there, once, in
    /// order, nothing else is, and writing goes on with greater ordinals.
    @Test func aKillAtAnyStepLosesNothingThatWasDurable() throws {
        let whole = FaultyDisk()
        _ = try write(60, to: whole)
        var random = RandomSource(seed: 11)
        for step in 0...whole.steps {
            for _ in 0..<4 {
                let disk = FaultyDisk()
                disk.fail(atStep: step, .crash)
                let (durable, given) = (try? write(60, to: disk)) ?? (0, 0)
                let left = disk.afterCrash(&random)
                let writer = try JournalWriter(left, Sample.bounds, at: 0)
                let found = try Sample.all(in: left).records
                #expect(found == (1...max(1, UInt64(found.count))).prefix(found.count).map(Sample.record), "step \(step)")
                #expect(found.count >= durable && found.count <= given, "step \(step): \(durable) durable, \(found.count) found")
                #expect(writer.next > given, "step \(step): \(writer.next) was given before")
                let marks = Dictionary(found.map { ($0.key, $0.mark) }) { $1 }
                #expect(Dictionary(uniqueKeysWithValues: writer.marks.map { ($0.key, $0.value) }) == marks, "step \(step)")
                _ = try write(9, to: left)
                #expect(try Sample.all(in: left).records.count == found.count + 9, "step \(step)")
            }
        }
    }

    /// However often a process is killed while it opens a journal, no ordinal is given that one before it may have given, and what is
    /// written is found by a reader that has followed all of them.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func ordinalsNeverRunBackWhileOpeningIsKilled(_ seed: UInt64) throws {
        var random = RandomSource(seed: seed), disk = FaultyDisk(), newest: UInt64 = 0
        _ = try write(9, to: disk)
        for _ in 0..<12 {
            disk.fail(atStep: disk.steps + random.uniform(below: 8), .crash)
            _ = try? JournalWriter(disk, Sample.bounds, at: 0)
            disk = disk.copy()
            let firsts = SegmentName.segments(of: try disk.names()).map(\.first)
            #expect(firsts.max() ?? 0 >= newest, "seed \(seed)")
            newest = max(newest, firsts.max() ?? 0)
        }
        var writer = try JournalWriter(disk, Sample.bounds, at: 0)
        let next = writer.next
        #expect(next > newest && writer.recovered == 9, "seed \(seed)")
        try writer.commit([Sample.record(next)], at: 0, released: .max)
        #expect(try Sample.all(in: disk).records.map(\.ordinal) == Array(1...9) + [next], "seed \(seed)")
    }

    /// A process writes nothing successfully after it has been started, and ends: the next gives later ordinals than it may have given.
    @Test func ordinalsNeverRunBackAfterASegmentThatFailed() throws {
        let disk = FaultyDisk()
        _ = try write(9, to: disk)
        var writer = try JournalWriter(disk, Sample.bounds, at: 0)
        let given = writer.next
        disk.fail(atStep: disk.steps, .readOnly)
        for _ in 0..<3 { #expect(throws: JournalError.self) { try writer.commit([Sample.record(given)], at: 0, released: .max) } }
        disk.heal()
        disk.fail(atStep: disk.steps + 1, .crash)  // the file that failed has its other name, and the next has not been begun
        _ = try? writer.commit([Sample.record(given)], at: 0, released: .max)
        let next = try JournalWriter(disk.copy(), Sample.bounds, at: 0).next
        #expect(next > given, "\(next), \(given)")
    }

    /// A step that fails once, or a write that is short: given again, every record is on disk once; a descriptor whose sync failed is not
    /// synced again.
    @Test(arguments: [FaultyDisk.Fault.error, .short])
    func afterAFailedStepEverythingIsWrittenAgainOnce(_ fault: FaultyDisk.Fault) throws {
        let whole = FaultyDisk()
        _ = try write(60, to: whole)
        for step in 0...whole.steps {
            let disk = FaultyDisk()
            var writer = try JournalWriter(disk, Sample.bounds, at: 0), next: UInt64 = 1, failures = 0
            disk.fail(atStep: disk.steps + step, fault)
            while next <= 60 {
                let batch = (next...min(60, next + 2)).map(Sample.record)
                do { try writer.commit(batch, at: 0, released: .max) } catch { failures += 1 }
                next = writer.durable + 1
            }
            #expect(failures <= 2, "step \(step)")
            let found = try Sample.all(in: disk)
            #expect(found.records == (1...60).map(Sample.record) && found.damage.isEmpty, "step \(step)")
            #expect(try JournalInspection(of: disk).repeated == 0, "step \(step)")
            #expect(disk.syncsAfterFailure == 0, "step \(step)")
        }
    }

    @Test func aTornTailIsCutAtEveryByte() throws {
        let disk = FaultyDisk()
        var bounds = Sample.bounds
        bounds.segmentBytes = 1 << 20
        var writer = try JournalWriter(disk, bounds, at: 0), ends: [Int] = []
        let name = SegmentName.of(first: 1)
        for ordinal in 1...6 {
            try writer.commit([Sample.record(UInt64(ordinal))], at: 0, released: .max)
            let record = Sample.record(UInt64(ordinal)), content = record.key.count + record.mark.count + record.body.count
            // Without the zeros that fill up the last eight bytes.
            ends.append(disk.bytes(of: name).count - record.storedBytes + RecordLayout.header + content)
        }
        let bytes = disk.bytes(of: name)
        for cut in 0...bytes.count {
            let torn = FaultyDisk()
            torn.set(name, Array(bytes[..<cut]))
            _ = try JournalWriter(torn, bounds, at: 0)
            let found = try Sample.all(in: torn)
            #expect(found.records.map(\.ordinal) == (1...6).prefix(ends.count { $0 <= cut }).map(UInt64.init), "cut at \(cut)")
            #expect(found.damage.isEmpty, "cut at \(cut)")
        }
    }

    /// One flipped bit hides one record at most, and where it does, its place is reported.
    @Test func aFlippedBitHidesNoOtherRecord() throws {
        let disk = FaultyDisk()
        var bounds = Sample.bounds
        bounds.segmentBytes = 1 << 20
        var writer = try JournalWriter(disk, bounds, at: 0)
        try writer.commit((1...8).map(Sample.record), at: 0, released: .max)
        let name = SegmentName.of(first: 1), bytes = disk.bytes(of: name)
        for bit in 0..<bytes.count * 8 {
            let flipped = FaultyDisk()
            var changed = bytes
            changed[bit / 8] ^= 1 << (bit % 8)
            flipped.set(name, changed)
            flipped.set(SegmentName.of(first: 9), [])  // a later segment: the end of this one is final
            let found = try Sample.all(in: flipped), missing = 8 - found.records.count
            #expect(missing <= 1 && (missing == 0 || found.damage.count == 1), "bit \(bit)")
            #expect(found.records.allSatisfy { $0 == Sample.record($0.ordinal) }, "bit \(bit)")
            if let damage = found.damage.first { #expect((damage.offset..<damage.offset + damage.bytes).contains(bit / 8), "bit \(bit)") }
        }
    }

    /// A publisher that sends bytes which look like a record cannot put it into the journal, even where the record around them is damaged.
    @Test func bytesOfAPublisherAreNotTakenForARecord() throws {
        let disk = FaultyDisk()
        var forged: [UInt8] = []
        RecordLayout.append(Sample.record(99), salt: 0, to: &forged)
        var writer = try JournalWriter(disk, Sample.bounds, at: 0, random: RandomSource(seed: 5))
        try writer.commit(
            [JournalRecord(ordinal: 1, type: 1, body: [0, 0, 0, 0] + forged), Sample.record(2)], at: 0, released: .max)
        let name = SegmentName.of(first: 1)
        var bytes = disk.bytes(of: name)
        let place = try #require(try Sample.place(of: 1, in: disk))
        bytes[place] ^= 1
        disk.set(name, bytes)
        let found = try Sample.all(in: disk)
        #expect(found.records == [Sample.record(2)] && found.damage.count == 1)
    }

    @Test func onlyReleasedSegmentsAreRemoved() throws {
        let disk = FaultyDisk()
        var bounds = Sample.bounds
        bounds.bytes = 3_000
        var writer = try JournalWriter(disk, bounds, at: 0), released: UInt64 = 20
        var next: UInt64 = 1
        while next < 200 {
            do { try writer.commit([Sample.record(next)], at: 0, released: released) } catch { break }
            next += 1
        }
        // Full: the segments that are left hold records after 20.
        #expect(next < 100 && writer.bytes <= 3_000)
        let first = try #require(try Sample.all(in: disk).records.first)
        #expect(first.ordinal > 1 && first.ordinal <= 21)
        released = next - 1
        for ordinal in next..<200 { try writer.commit([Sample.record(ordinal)], at: 0, released: ordinal - 1) }
        #expect(try Sample.all(in: disk).records.last?.ordinal == 199)
        // The newest value of each key is kept, however old the record was that had it.
        #expect(writer.marks.count == 4)
        let again = try JournalWriter(disk, bounds, at: 0)
        #expect(again.marks.map(\.value) == writer.marks.map(\.value))
    }

    /// A process that is killed while everything is needed starts again, waits for room like the one before it, and takes no more of the
    /// disk however often that happens.
    @Test func aFullJournalIsOpenedAndWaitsForRoom() throws {
        let disk = FaultyDisk()
        var bounds = Sample.bounds
        bounds.bytes = 3_000
        var writer = try JournalWriter(disk, bounds, at: 0, released: 0), ordinal = writer.next
        func fill() -> Bool { (try? writer.commit([Sample.record(ordinal)], at: 0, released: 0)) != nil }
        while fill() { ordinal += 1 }
        let written = try Sample.all(in: disk).records, bytes = writer.bytes
        for _ in 0..<5 {
            writer = try JournalWriter(disk, bounds, at: 0, released: 0)
            ordinal = writer.next
            #expect(!fill() && !fill(), "there is no room")
            #expect(writer.bytes <= bytes + bounds.segmentBytes)
        }
        #expect(try Sample.all(in: disk).records == written)
        try writer.commit([Sample.record(ordinal)], at: 0, released: .max)
        let after = try Sample.all(in: disk)
        #expect(after.damage.isEmpty && after.records.last == Sample.record(ordinal), "\(after.damage)")
        #expect(writer.durable == ordinal)
    }

    @Test func segmentsGoWhenAllTheirRecordsAreOld() throws {
        let disk = FaultyDisk()
        var bounds = Sample.bounds
        bounds.age = 1
        var writer = try JournalWriter(disk, bounds, at: 0)
        for ordinal in 1...100 as ClosedRange<UInt64> {
            try writer.commit([Sample.record(ordinal)], at: Int64(ordinal) * 50_000_000, released: .max)
        }
        let oldest = try #require(try Sample.all(in: disk).records.first?.ordinal)
        #expect((60...80).contains(oldest))
    }

    @Test func aDamagedSegmentIsRepairedWithItsGoodRecords() throws {
        let disk = FaultyDisk()
        _ = try write(40, to: disk)
        let name = try #require(try SegmentName.segments(of: disk.names()).dropFirst().first?.name)
        var bytes = disk.bytes(of: name)
        bytes[300] ^= 8
        disk.set(name, bytes)
        #expect(try JournalInspection(of: disk).damage.map(\.segment) == [name])
        #expect(try JournalInspection.repair(disk).count == 1)
        let inspection = try JournalInspection(of: disk)
        #expect(inspection.damage.isEmpty && inspection.records == 39)
        #expect(disk.bytes(of: name + ".damaged") == bytes)
    }

    @Test func aKilledRepairIsFinishedByTheNext() throws {
        let disk = FaultyDisk()
        _ = try write(40, to: disk)
        let name = try #require(try SegmentName.segments(of: disk.names()).dropFirst().first?.name)
        var bytes = disk.bytes(of: name)
        bytes[300] ^= 8
        disk.set(name, bytes)
        let before = disk.steps
        for step in 0..<12 {
            let killed = disk.copy()
            killed.fail(atStep: step, .crash)
            _ = try? JournalInspection.repair(killed)
            killed.heal()
            _ = try JournalInspection.repair(killed)
            let inspection = try JournalInspection(of: killed)
            #expect(inspection.records == 39 && inspection.damage.isEmpty, "step \(step)")
        }
        #expect(disk.steps == before)
    }

    @Test func aReaderFollowsAWriterAndAWrittenAgainSegment() throws {
        let disk = FaultyDisk()
        var writer = try JournalWriter(disk, Sample.bounds, at: 0), reader = JournalReader(disk), read: [UInt64] = []
        func follow() throws {
            while case .record(let record)? = try reader.next() { read.append(record.ordinal) }
        }
        for ordinal in 1...30 as ClosedRange<UInt64> {
            if ordinal % 7 == 0 {
                // Written, and then not brought to disk: the segment is cut or begun again.
                disk.fail(atStep: disk.steps + 1, .error)
                _ = try? writer.commit([Sample.record(ordinal)], at: 0, released: .max)
                try follow()
            }
            if writer.durable < ordinal { try writer.commit([Sample.record(ordinal)], at: 0, released: .max) }
            try follow()
        }
        #expect(read == Array(1...30))
    }

    @Test func aDirectoryOnDiskIsAJournalToo() throws {
        let folder = Folder()
        var first = try JournalWriter(DirectoryStorage(folder.path("journal"), writes: true), Sample.bounds, at: 0)
        #expect(throws: JournalError.self) { try DirectoryStorage(folder.path("journal"), writes: true) }
        try first.commit((1...50).map(Sample.record), at: 0, released: .max)
        first.close()
        let storage = try DirectoryStorage(folder.path("journal"), writes: false)
        #expect(try Sample.all(in: storage).records == (1...50).map(Sample.record))
        #expect(throws: JournalError.self) { try DirectoryStorage(folder.path("none"), writes: false) }
    }
}

extension Sample {
    /// Where the record of an ordinal begins in the first segment.
    static func place(of ordinal: UInt64, in disk: FaultyDisk) throws -> Int? {
        guard var cursor = try SegmentCursor(SegmentName.of(first: 1), in: disk) else { return nil }
        var place = cursor.offset
        while case .record(let record) = try cursor.next() {
            if record.ordinal == ordinal { return place }
            place = cursor.offset
        }
        return nil
    }
}

struct JournalTests {
    /// Whoever still holds or reads a journal that is closed does not keep another from writing it.
    @Test func aClosedJournalMayBeWrittenByAnother() throws {
        let folder = Folder()
        let first = try Journal(DirectoryStorage(folder.path("journal"), writes: true), Sample.bounds, now: { 0 })
        #expect(first.append(Sample.record(1)) != nil)
        var reader = first.reader(after: 0)
        #expect(throws: JournalError.self) { try DirectoryStorage(folder.path("journal"), writes: true) }
        first.close()
        let second = try Journal(DirectoryStorage(folder.path("journal"), writes: true), Sample.bounds, now: { 0 })
        let read = try reader.next()
        #expect(second.recovered == 1 && read != nil)
        second.close()
        withExtendedLifetime(first) {}
    }

    /// Waits until something holds that another thread brings about.
    private func until(_ holds: () -> Bool) async throws {
        while !holds() { try await Task.sleep(for: .milliseconds(1)) }
    }

    @Test(.timeLimit(.minutes(1))) func whatComesDuringACommitGoesToDiskTogether() async throws {
        let gate = DispatchSemaphore(value: 1), disk = FaultyDisk(gate: gate)  // it begins with a sync
        var bounds = JournalBounds()
        bounds.commitInterval = 0
        let journal = try Journal(disk, bounds, now: { 0 })
        let steps = disk.steps
        #expect(journal.append(Sample.record(0)) == 1)
        try await until { disk.steps > steps }  // written: the commit waits in its sync
        for ordinal in 2...100 as ClosedRange<UInt64> { #expect(journal.append(Sample.record(0)) == ordinal) }
        #expect(journal.status.durable == 0 && journal.status.waitingRecords == 100)
        for _ in 0..<8 { gate.signal() }
        try await until { journal.status.durable == 100 }
        #expect(journal.status.commits == 2 && journal.status.waitingBytes == 0)
        journal.close()
        #expect(journal.append(Sample.record(0)) == nil)
        #expect(try Sample.all(in: disk).records.map(\.ordinal) == Array(1...100))
    }

    @Test(.timeLimit(.minutes(1))) func aDiskThatFailsStopsWhatIsDurableUntilItIsBack() async throws {
        let disk = FaultyDisk()
        let journal = try Journal(disk, Sample.bounds, now: { 0 })
        #expect(journal.append(Sample.record(0)) == 1)
        try await until { journal.status.durable == 1 }
        disk.fail(atStep: disk.steps, .readOnly)
        var given: UInt64 = 1
        while let ordinal = journal.append(Sample.record(0)) { given = ordinal }
        try await until { journal.status.failures > 2 }
        #expect(given == 17 && journal.status.durable == 1)  // sixteen wait, and no more are accepted
        #expect(journal.status.failure?.isEmpty == false)
        disk.heal()
        try await until { journal.status.durable == 17 }
        #expect(journal.status.failure == nil && disk.syncsAfterFailure == 0)
        #expect(journal.append(Sample.record(0)) == 18)
        journal.close()
        #expect(try Sample.all(in: disk).records.map(\.ordinal) == Array(1...18))
    }

    @Test(.timeLimit(.minutes(1))) func aFullDiskIsWaitedForToo() async throws {
        let disk = FaultyDisk()
        let journal = try Journal(disk, Sample.bounds, now: { 0 })
        disk.limit(to: 300)
        for _ in 0..<10 { #expect(journal.append(Sample.record(5)) != nil) }
        try await until { journal.status.failures > 1 }
        #expect(journal.status.durable < 10)
        disk.heal()
        try await until { journal.status.durable == 10 }
        journal.close()
        #expect(try Sample.all(in: disk).records.map(\.ordinal) == Array(1...10))
    }

    @Test func readersSayWhatTheyNoLongerNeed() throws {
        let folder = Folder()
        #expect(JournalReleases.released(in: folder.path) == .max)
        try JournalReleases.set(7, by: "learn", in: folder.path)
        try JournalReleases.set(5, by: "other", in: folder.path)
        #expect(JournalReleases.released(in: folder.path) == 5 && JournalReleases.ordinal(by: "learn", in: folder.path) == 7)
        try "?".write(toFile: folder.path("other.reached"), atomically: true, encoding: .utf8)
        #expect(JournalReleases.released(in: folder.path) == 0)
    }
}
