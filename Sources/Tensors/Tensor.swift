/// A shaped view of numbers in a graph's memory, last dimension contiguous, and of their gradient where learning needs it.
///
/// It is a handle: copies see the same numbers. Between replays anybody who owns the graph may read and write them.
public struct Tensor<S: Scalar> {
    public let shape: [Int]
    let storage: Storage<S>

    /// Numbers in use: all of the shape's, or those of the rows that an extent tells.
    public var count: Int { storage.count }
    /// The last dimension: C of a tensor (rows, C); 1 for a scalar.
    public var columns: Int { shape.last ?? 1 }
    /// All other dimensions together.
    public var rows: Int { count / columns }
    /// What tells how many of its rows are in use; nil where all are.
    public var extent: Extent? { storage.extent }

    public var values: UnsafeMutableBufferPointer<S> { UnsafeMutableBufferPointer(start: storage.values, count: count) }

    /// Whether anything that learns lies beneath.
    public var needsGradient: Bool { storage.gradient != nil }

    /// d loss / d this after `backward`, for a tensor that needs a gradient.
    public var gradient: UnsafeMutableBufferPointer<S> {
        guard let gradient = storage.gradient else {
            preconditionFailure("a tensor \(shape) that nothing learnable reaches has no gradient")
        }
        return UnsafeMutableBufferPointer(start: gradient, count: count)
    }

    /// The first number: a loss.
    public var value: S { storage.values[0] }

    /// The same numbers in another shape.
    public func reshaped(_ shape: [Int]) -> Tensor {
        precondition(shape.reduce(1, *) == storage.capacity, "\(self.shape) cannot be seen as \(shape)")
        return Tensor(shape: shape, storage: storage)
    }

    /// Writes all numbers, in order.
    public func set(_ numbers: some Collection<S>) {
        precondition(numbers.count == count, "\(numbers.count) numbers for a tensor \(shape)")
        _ = values.update(fromContentsOf: numbers)
    }

    public func fill(_ number: S) { values.update(repeating: number) }
}

/// The memory behind tensors: its own, or a place in a parameter store that the graph keeps alive.
final class Storage<S: Scalar> {
    /// Numbers that there is memory for.
    let capacity: Int
    let extent: Extent?
    private let perRow: Int
    let values: UnsafeMutablePointer<S>
    let gradient: UnsafeMutablePointer<S>?
    private let owners: [Buffer<S>]

    /// Numbers in use.
    @inline(__always) var count: Int { extent.map { perRow * $0.count } ?? capacity }

    convenience init(count: Int, needsGradient: Bool, extent: Extent? = nil) {
        self.init(count: count, values: Buffer(count), gradient: needsGradient ? Buffer(count) : nil, extent: extent)
    }

    /// Buffers of at least so many numbers, which others may use as well.
    init(count: Int, values: Buffer<S>, gradient: Buffer<S>?, extent: Extent? = nil) {
        precondition(extent == nil || count.isMultiple(of: extent!.capacity), "\(count) numbers in \(extent!.capacity) rows")
        capacity = count
        self.extent = extent
        perRow = extent.map { count / $0.capacity } ?? 0
        self.values = values.memory.baseAddress!
        self.gradient = gradient?.memory.baseAddress
        owners = [values] + (gradient.map { [$0] } ?? [])
    }

    init(values: UnsafeMutableBufferPointer<S>, gradient: UnsafeMutableBufferPointer<S>?) {
        capacity = values.count
        extent = nil
        perRow = 0
        self.values = values.baseAddress!
        self.gradient = gradient?.baseAddress
        owners = []
    }
}

/// Memory that lives as long as a storage holds it.
final class Buffer<S: Scalar> {
    let memory: UnsafeMutableBufferPointer<S>

    init(_ count: Int) { memory = .allocateAligned(count) }

    deinit { memory.deallocate() }
}

/// Whole numbers that a graph reads: token ids, targets, places. Written between replays.
public struct Indices {
    /// Those in use: all, or as many as an extent tells.
    public var count: Int { extent?.count ?? capacity }
    public let extent: Extent?
    private let capacity: Int
    private let start: Int
    let storage: IndexStorage

    init(_ numbers: [Int], extent: Extent? = nil) {
        capacity = numbers.count
        self.extent = extent
        start = 0
        storage = IndexStorage(numbers)
    }

    private init(_ whole: Indices, _ range: Range<Int>) {
        capacity = range.count
        extent = nil
        start = whole.start + range.lowerBound
        storage = whole.storage
    }

    /// Some of the numbers, where they are.
    public func slice(_ range: Range<Int>) -> Indices {
        precondition(extent == nil, "no part of numbers whose count varies")
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "places \(range) of \(count)")
        return Indices(self, range)
    }

    public var values: UnsafeMutableBufferPointer<Int32> { UnsafeMutableBufferPointer(rebasing: storage.values[start..<start + count]) }

    public func set(_ numbers: some Collection<Int>) {
        precondition(numbers.count == count, "\(numbers.count) numbers for \(count) places")
        for (place, number) in zip(values.indices, numbers) { values[place] = Int32(number) }
    }

    public subscript(place: Int) -> Int {
        get { Int(values[place]) }
        nonmutating set { values[place] = Int32(newValue) }
    }
}

final class IndexStorage {
    let values: UnsafeMutableBufferPointer<Int32>

    init(_ numbers: [Int]) {
        values = .allocate(capacity: numbers.count)
        _ = values.initialize(from: numbers.lazy.map(Int32.init))
    }

    deinit { values.deallocate() }
}
