import Files
import Foundation
import Glibc
import Wiring
import Synchronization

/// Ends a supervised process when its supervisor has ended.
public enum Supervision {
    /// The time that a process has to stop by itself after its supervisor has ended, in seconds.
    private static let grace: UInt32 = 10
    /// How often the process checks for its supervisor, in microseconds.
    private static let interval: UInt32 = 200_000

    private static let stopHandler = Mutex<(@Sendable () -> Void)?>(nil)

    /// Starts a thread that checks for the supervisor, if there is one. Must be called once, at the start of the process.
    public static func begin() {
        let environment = ProcessInfo.processInfo.environment
        guard let supervisor = environment[Supervised.supervisor].flatMap({ Int32($0) }) else { return }
        // A separate thread, so that the check does not depend on the load of other queues.
        Thread.detachNewThread {
            // The shared lock makes the next run in the same directory wait until this process has ended too. Without the lock the process
            // still ends, but the next run does not wait for it.
            let lock = environment[Supervised.logs].flatMap { try? DirectoryLock($0, name: Supervised.lock, isShared: true) }
            while getppid() == supervisor { usleep(interval) }
            if let stop = stopHandler.withLock({ $0 }) {
                stop()
                sleep(grace)
            }
            _ = consume lock
            _exit(EXIT_FAILURE)
        }
    }

    /// Sets the handler that stops the process when the supervisor has ended; without one the process exits at once.
    public static func onSupervisorExit(_ stop: @escaping @Sendable () -> Void) { stopHandler.withLock { $0 = stop } }
}
