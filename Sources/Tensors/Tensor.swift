/// A row-major tensor in a graph's memory, with its gradient if learning needs it.
///
/// It is a reference: copies share the same numbers. Between replays the owner of the graph may read and write them.
public struct Tensor<S: Scalar> {
    /// The dimensions as recorded, with all rows of an extent.
    public let shape: [Int]
    let storage: Storage<S>

    /// Numbers in use: all of the shape's, or those of the rows in use along an extent.
    public var count: Int { storage.count }
    /// The last dimension: C of a tensor (rows, C); 1 for a scalar.
    public var columns: Int { shape.last ?? 1 }
    /// All other dimensions together.
    public var rows: Int { count / columns }
    /// The extent that gives the number of rows in use; nil if all are.
    public var extent: Extent? { storage.extent }

    /// The numbers in use, in row-major order.
    public var values: UnsafeMutableBufferPointer<S> { UnsafeMutableBufferPointer(start: storage.values, count: count) }

    /// Whether it depends on anything that learns, and so has a gradient.
    public var needsGradient: Bool { storage.gradient != nil }

    /// d loss / d this after `backward`, for a tensor that needs a gradient.
    public var gradient: UnsafeMutableBufferPointer<S> {
        guard let gradient = storage.gradient else {
            preconditionFailure("a tensor \(shape) has no gradient: it depends on nothing that learns")
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
        if storage.isPlan { return }
        _ = values.update(fromContentsOf: numbers)
    }

    /// Sets every number to a constant.
    public func fill(_ number: S) { if !storage.isPlan { values.update(repeating: number) } }
}

/// The memory of tensors: its own, or a part of a parameter store that the graph retains.
final class Storage<S: Scalar> {
    /// The count of numbers that memory is allocated for.
    let capacity: Int
    let extent: Extent?
    private let perRow: Int
    let values: UnsafeMutablePointer<S>
    let gradient: UnsafeMutablePointer<S>?
    private let owners: [Buffer<S>]
    /// Whether no memory is allocated, only counted; the pointers must not be read.
    let isPlan: Bool

    /// Numbers in use.
    @inline(__always) var count: Int { extent.map { perRow * $0.count } ?? capacity }

    convenience init(count: Int, needsGradient: Bool, extent: Extent? = nil, isPlan: Bool = false) {
        let size = isPlan ? 1 : count
        self.init(count: count, values: Buffer(size), gradient: needsGradient ? Buffer(size) : nil, extent: extent, isPlan: isPlan)
    }

    /// A storage in buffers of at least `count` numbers, which other storages may share.
    init(count: Int, values: Buffer<S>, gradient: Buffer<S>?, extent: Extent? = nil, isPlan: Bool = false) {
        precondition(extent == nil || count.isMultiple(of: extent!.capacity), "\(count) numbers in \(extent!.capacity) rows")
        capacity = count
        self.extent = extent
        perRow = extent.map { count / $0.capacity } ?? 0
        self.values = values.memory.baseAddress!
        self.gradient = gradient?.memory.baseAddress
        owners = [values] + (gradient.map { [$0] } ?? [])
        self.isPlan = isPlan
    }

    init(values: UnsafeMutableBufferPointer<S>, gradient: UnsafeMutableBufferPointer<S>?) {
        capacity = values.count
        extent = nil
        perRow = 0
        self.values = values.baseAddress!
        self.gradient = gradient?.baseAddress
        owners = []
        isPlan = false
    }
}

/// Memory that is freed when the last storage releases it.
final class Buffer<S: Scalar> {
    let memory: UnsafeMutableBufferPointer<S>

    init(_ count: Int) { memory = .allocateAligned(count) }

    deinit { memory.deallocate() }
}

/// Integers that a graph reads: token ids, targets, positions. The owner of the graph writes them between replays.
public struct Indices {
    /// Integers in use: all, or the first `extent.count`.
    public var count: Int { extent?.count ?? capacity }
    /// The extent that gives the number in use; nil if all are.
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

    /// A view of some of the numbers, in the same memory.
    public func slice(_ range: Range<Int>) -> Indices {
        precondition(extent == nil, "cannot slice indices along an extent")
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "places \(range) of \(count)")
        return Indices(self, range)
    }

    /// The numbers in use.
    public var values: UnsafeMutableBufferPointer<Int32> { UnsafeMutableBufferPointer(rebasing: storage.values[start..<start + count]) }

    /// Writes all numbers, in order.
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
