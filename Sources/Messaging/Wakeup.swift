import CLinux
import Glibc

/// An eventfd that wakes a polling thread: its descriptor becomes readable after `signal`.
final class Wakeup: Sendable {
    let descriptor: Int32

    init() throws(MessagingError) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard descriptor >= 0 else { throw MessagingError("make an eventfd", String(cString: strerror(errno))) }
    }

    deinit { close(descriptor) }

    func signal() {
        var one: UInt64 = 1
        write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    func clear() {
        var count: UInt64 = 0
        read(descriptor, &count, MemoryLayout<UInt64>.size)
    }
}
