import Files

/// Where some of a segment's records begin, about one a megabyte, so that a reader need not begin at the first. It is in a file of its own
/// beside a segment that has ended, and may be missing: reading takes longer then.
struct SegmentIndex: Equatable {
    private(set) var entries: [(ordinal: UInt64, place: Int)] = []
    private let spacing: Int

    init(spacing: Int) { self.spacing = spacing }

    static func == (a: SegmentIndex, b: SegmentIndex) -> Bool { a.bytes == b.bytes }

    mutating func note(_ ordinal: UInt64, at place: Int) {
        if place - (entries.last?.place ?? 0) >= spacing { entries.append((ordinal, place)) }
    }

    /// Where to begin in order to find a record: the place of the last entry that is not after it.
    func place(before ordinal: UInt64) -> Int? { entries.last { $0.ordinal <= ordinal }?.place }

    /// Pairs of ordinal and place, and a CRC-32C of them.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        for (ordinal, place) in entries {
            bytes.append(littleEndian: ordinal)
            bytes.append(littleEndian: UInt64(place))
        }
        bytes.append(littleEndian: CRC32C.checksum(of: bytes))
        return bytes
    }

    init?(_ bytes: [UInt8]) {
        guard bytes.count % 16 == 4 else { return nil }
        let content = bytes.count - 4
        guard bytes.withUnsafeBytes({ $0.number(content, UInt32.self) }) == CRC32C.checksum(of: bytes[..<content]) else { return nil }
        spacing = 0
        entries = bytes.withUnsafeBytes { bytes in
            stride(from: 0, to: content, by: 16).map { (bytes.number($0, UInt64.self), Int(clamping: bytes.number($0 + 8, UInt64.self))) }
        }
    }

    /// The greatest size of an index that is read, in bytes.
    private static let mostBytes = 1 << 24

    static func read(of segment: String, in storage: any JournalStorage) -> SegmentIndex? {
        // missing or unreadable: the segment is read from its beginning
        guard let input = try? storage.open(segment + SegmentName.index), let size = try? input.size, size <= mostBytes,
            let bytes = try? input.bytes(at: 0, count: size)
        else { return nil }
        return SegmentIndex(bytes)
    }

    func write(of segment: String, in storage: any JournalStorage) {
        guard !entries.isEmpty else { return }
        let name = segment + SegmentName.index
        do {
            try storage.remove(name)
            let output = try storage.create(name)
            defer { output.close() }
            try output.writeAll(bytes)
        } catch {
            try? storage.remove(name)  // without its checksum it is not used anyway
        }
    }
}
