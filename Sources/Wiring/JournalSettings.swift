import Journal
import Statistics

/// Where ingest and fuse keep what they accept, and the bounds of that.
public struct JournalSettings: Codable, Sendable, Equatable {
    /// The directory of the journals; empty: there are none, and no publisher is acknowledged.
    public var directory = ""
    /// A segment ends with the record that makes it this large, in bytes.
    public var segmentBytes = 64 << 20
    /// All segments of a journal together, in bytes: the oldest are removed, as far as no checkpoint needs them.
    public var bytes = 4 << 30
    /// Segments whose records are all older than this, in seconds, are removed, as far as no checkpoint needs them.
    public var age = 604_800.0
    /// Records, and their bytes, that wait in memory to be on disk.
    public var waitingRecords = 4_096
    public var waitingBytes = 64 << 20
    /// The least time from one commit to the next, in seconds: for so long a record waits at most for others that come to disk with it.
    public var commitInterval = 0.005
    /// After the disk has failed, how long until it is tried again, in seconds.
    public var retryInterval = 1.0
    /// Acknowledged publishers whose position is kept; beyond it those silent for longest are forgotten.
    public var sources = 4_096
    /// Messages that an acknowledged publisher may have sent beyond the newest acknowledgement.
    public var credit = 64

    /// Without progress for this long, in seconds, a moment no longer waits for readings that are under way, and a reading of which nothing
    /// comes is given up.
    public var patience = 10.0

    public init() {}

    /// The directory of ingest's journal, and of fuse's journal of moments; nil where there are none.
    public var readings: String? { directory.isEmpty ? nil : directory + "/readings" }
    public var moments: String? { directory.isEmpty ? nil : directory + "/moments" }

    /// The bounds of a journal.
    public var bounds: JournalBounds {
        var bounds = JournalBounds()
        (bounds.segmentBytes, bounds.bytes, bounds.age) = (segmentBytes, bytes, age)
        (bounds.waitingRecords, bounds.waitingBytes) = (waitingRecords, waitingBytes)
        (bounds.commitInterval, bounds.retryInterval, bounds.positions) = (commitInterval, retryInterval, sources)
        return bounds
    }

    /// Every invalid setting, by key.
    public var problems: [SettingsError] {
        var problems = RangeProblems()
        problems.require("segmentBytes", segmentBytes, in: 1 << 16...1 << 34)
        problems.require("bytes", bytes, in: 1 << 18...1 << 50)
        problems.require("age", age, in: 1...1e9)
        problems.require("waitingRecords", waitingRecords, in: 16...1_000_000)
        problems.require("waitingBytes", waitingBytes, in: 1 << 20...1 << 36)
        problems.require("commitInterval", commitInterval, in: 0...0.01)
        problems.require("retryInterval", retryInterval, in: 0.01...3600)
        problems.require("sources", sources, in: 1...1_000_000)
        problems.require("credit", credit, in: 1...10_000)
        problems.require("patience", patience, in: 0.1...86_400)
        if problems.found.isEmpty, bytes < 4 * segmentBytes {
            return [SettingsError("bytes", "\(bytes) bytes are less than four segments")]
        }
        return problems.found
    }
}
