/// A journal that is being written: `Journal`, or one of a test in its place.
public protocol AppendableJournal: Sendable {
    var status: Journal.Status { get }
    /// The newest value of each key on disk when it was opened.
    var marks: [(key: [UInt8], mark: [UInt8])] { get }
    /// What was found damaged then.
    var found: [JournalDamage] { get }
    /// Ordinal of the newest record that was found then; 0 where there was none.
    var recovered: UInt64 { get }
    /// Whether a record of this size would be accepted.
    func hasRoom(for bytes: Int) -> Bool
    /// Accepts a record, to be brought to disk soon.
    /// - Returns: its ordinal; nil where as much waits as may, or the journal is closed.
    func append(_ record: JournalRecord) -> UInt64?
    /// What is there after an ordinal.
    func reader(after ordinal: UInt64) -> any JournalSequence
    /// Brings to disk what waits, and ends writing.
    func close()
}

extension Journal: AppendableJournal {}

/// Records of a journal, one after another.
public protocol JournalSequence {
    /// The next record or damage; nil where there is none yet.
    mutating func next() throws(JournalError) -> JournalReader.Entry?
}

extension JournalReader: JournalSequence {}
