/// How many of the rows that were recorded a replay works on: the first `count`. Whoever owns the graph sets it between replays.
///
/// A tensor recorded along an extent has memory for all of its rows; its `count` and `rows` tell those that are in use, and operators
/// touch no others.
public final class Extent {
    public let capacity: Int
    private let number: UnsafeMutablePointer<Int>

    public var count: Int {
        @inline(__always) get { number.pointee }
        set {
            precondition((0...capacity).contains(newValue), "\(newValue) rows of \(capacity)")
            number.pointee = newValue
        }
    }

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
/// While a graph is recorded, all are as long as can be. One may be empty.
public final class PackedSequences {
    public let count: Int
    public let longest: Int
    /// All rows of all sequences.
    public let rows: Extent
    private let places: UnsafeMutableBufferPointer<(start: Int, length: Int)>

    public init(_ count: Int, longest: Int) {
        (self.count, self.longest) = (count, longest)
        rows = Extent(count * longest)
        places = .allocate(capacity: count)
        for b in 0..<count { places.initializeElement(at: b, to: (b * longest, longest)) }
    }

    deinit { places.deallocate() }

    public func start(_ b: Int) -> Int { places[b].start }
    public func length(_ b: Int) -> Int { places[b].length }

    /// Gives every sequence its length.
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
