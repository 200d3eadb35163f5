import Glibc

/// Zeroed memory of a fixed number of elements, aligned to pages and freed when the object is released.
/// Pages that are never accessed occupy no physical memory.
final class Memory<Element: BitwiseCopyable> {
    let base: UnsafeMutablePointer<Element>
    let count: Int

    init(_ count: Int) {
        let raw = mmap(nil, max(1, count * MemoryLayout<Element>.stride), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let raw, raw != MAP_FAILED else { preconditionFailure("no memory for \(count) × \(MemoryLayout<Element>.stride) bytes") }
        base = raw.bindMemory(to: Element.self, capacity: count)
        self.count = count
    }

    convenience init(_ count: Int, repeating element: Element) {
        self.init(count)
        base.update(repeating: element, count: count)
    }

    deinit { munmap(base, max(1, count * MemoryLayout<Element>.stride)) }
}
