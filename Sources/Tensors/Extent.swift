/// A variable number of rows: a replay of the graph processes only the first `count` of the `capacity` rows that were recorded.
///
/// The owner of the graph sets `count` between replays. A tensor recorded along an extent has memory for all rows; its `count` and
/// `rows` give those in use, and operators read and write no others.
public final class Extent {
    /// The largest `count`.
    public let capacity: Int
    private let number: UnsafeMutablePointer<Int>

    /// Rows in use, in 0...capacity.
    public var count: Int {
        @inline(__always) get { number.pointee }
        set {
            precondition((0...capacity).contains(newValue), "\(newValue) rows of \(capacity)")
            number.pointee = newValue
        }
    }

    /// An extent of which all `capacity` rows are in use.
    public init(_ capacity: Int) {
        precondition(capacity > 0, "an extent of \(capacity) rows")
        self.capacity = capacity
        number = .allocate(capacity: 1)
        number.initialize(to: capacity)
    }

    deinit { number.deallocate() }
}

/// Sequences of different lengths, one after another without padding: rows `starts[b] ..< starts[b] + lengths[b]` are those of sequence b.
///
/// While a graph is recorded, every sequence has the maximal length. A sequence may be empty.
public final class PackedSequences {
    /// The number of sequences.
    public let count: Int
    /// The maximal number of rows of a sequence.
    public let longest: Int
    /// All rows of all sequences.
    public let rows: Extent
    private let places: UnsafeMutableBufferPointer<(start: Int, length: Int)>

    /// `count` sequences of `longest` rows each.
    public init(_ count: Int, longest: Int) {
        (self.count, self.longest) = (count, longest)
        rows = Extent(count * longest)
        places = .allocate(capacity: count)
        for b in 0..<count { places.initializeElement(at: b, to: (b * longest, longest)) }
    }

    deinit { places.deallocate() }

    /// The first row of sequence b.
    public func start(_ b: Int) -> Int { places[b].start }
    /// The number of rows of sequence b.
    public func length(_ b: Int) -> Int { places[b].length }

    /// Sets the length of every sequence, in 0...longest, and with it the starts and `rows.count`.
    public func set(_ length: (_ b: Int) -> Int) {
        var start = 0
        for b in 0..<count {
            let length = length(b)
            precondition((0...longest).contains(length), "a sequence of \(length) in places for \(longest)")
            places[b] = (start, length)
            start += length
        }
        rows.count = start
    }
}
