/// The bounds of a journal.
public struct JournalBounds: Codable, Sendable, Equatable {
    /// A segment ends with the record that makes it this large, in bytes.
    public var segmentBytes = 64 << 20
    /// All segments together, in bytes: beyond it the oldest are removed, as far as nobody needs them.
    public var bytes = 4 << 30
    /// Segments whose records are all older than this, in seconds, are removed, as far as nobody needs them.
    public var age = 604_800.0
    /// Records and bytes that wait to be on disk; while there are as many, no record is accepted.
    public var waitingRecords = 4_096
    public var waitingBytes = 64 << 20
    /// The least time from one commit to the next, in seconds: for so long a record waits at most for others that come to disk with it.
    public var commitInterval = 0.005
    /// After the disk has failed, how long until it is tried again, in seconds.
    public var retryInterval = 1.0
    /// Publishers whose newest position is kept; beyond it those silent for longest are forgotten.
    public var positions = 4_096

    /// Bytes of records from one entry of the index to the next.
    var indexBytes: Int { 1 << 20 }

    public init() {}
}
