/// The numbers of a layout, flat and aligned to a cache line.
///
/// A store has one owner. It is deliberately not `Sendable`: an actor keeps it, and hands it over whole as a `sending`
/// value, or gives others a `copy()` of their own.
public final class ParameterStore<S: Scalar> {
    public let layout: ParameterLayout
    /// All numbers in the layout's order; the memory is valid as long as the store exists.
    public let values: UnsafeMutableBufferPointer<S>

    /// Whether the store has no numbers: a graph over it only counts the memory that it would allocate.
    public let isPlan: Bool

    /// Matrices that do not learn, by the names of the parameters that they take the place of.
    public var frozen: [String: any FrozenMatrix] { layout.frozen }

    /// A store of zeros.
    public init(_ layout: ParameterLayout) {
        self.layout = layout
        isPlan = false
        values = .allocateAligned(layout.count)
    }

    /// A store without numbers, for a graph that only counts memory.
    public init(planning layout: ParameterLayout) {
        self.layout = layout
        isPlan = true
        values = .allocateAligned(0)
    }

    deinit { values.deallocate() }

    /// The numbers of one parameter, which must be in the layout.
    public subscript(name: String) -> UnsafeMutableBufferPointer<S> {
        guard let range = layout.range(of: name) else { preconditionFailure("no parameter is called \(name)") }
        if isPlan { return UnsafeMutableBufferPointer(start: values.baseAddress, count: range.count) }
        return UnsafeMutableBufferPointer(rebasing: values[range])
    }

    /// A store with the same layout and its own copy of the numbers.
    public func copy() -> ParameterStore {
        let copy = ParameterStore(layout)
        copy.assign(from: self)
        return copy
    }

    /// Copies all numbers of a store with the same layout into this one.
    public func assign(from other: ParameterStore) {
        precondition(layout.count == other.layout.count, "\(other.layout.count) numbers for \(layout.count) places")
        guard layout.count > 0 else { return }
        values.baseAddress!.update(from: other.values.baseAddress!, count: layout.count)
    }
}

extension UnsafeMutableBufferPointer where Element: Scalar {
    /// Zeros, aligned to 64 bytes.
    static func allocateAligned(_ count: Int) -> Self {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: Swift.max(1, count) * MemoryLayout<Element>.stride, alignment: 64)
        let memory = Self(start: bytes.bindMemory(to: Element.self, capacity: count), count: count)
        memory.initialize(repeating: .zero)
        return memory
    }
}
