/// A reference-counted array of numbers, initially zero.
final class Memory<Element: Numeric> {
    let pointer: UnsafeMutablePointer<Element>
    let count: Int

    init(_ count: Int) {
        self.count = count
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: max(1, count) * MemoryLayout<Element>.stride, alignment: 64)
        pointer = bytes.bindMemory(to: Element.self, capacity: max(1, count))
        pointer.initialize(repeating: .zero, count: count)
    }

    deinit { pointer.deallocate() }

    subscript(_ index: Int) -> Element {
        get { pointer[index] }
        set { pointer[index] = newValue }
    }
}
