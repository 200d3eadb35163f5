import Files
import Foundation
import Glibc
import Wiring
import Synchronization

/// A process that a supervisor started does not outlive it, whatever it is at.
public enum Supervision {
    /// Seconds that a process may take to end by itself when its supervisor has gone.
    private static let grace: UInt32 = 10
    /// How often it looks, in microseconds.
    private static let interval: UInt32 = 200_000

    private static let farewell = Mutex<(@Sendable () -> Void)?>(nil)

    /// Begins to watch, where there is a supervisor; called once, first of all.
    public static func begin() {
        let environment = ProcessInfo.processInfo.environment
        guard let supervisor = environment[Supervised.supervisor].flatMap({ Int32($0) }) else { return }
        // A thread of its own, which runs however busy the others are.
        Thread.detachNewThread {
            // The next run in the same directory waits until this process has gone too. Where there is no lock to be had, it finds out by itself.
            let lock = environment[Supervised.logs].flatMap { try? DirectoryLock($0, name: Supervised.lock, isShared: true) }
            while getppid() == supervisor { usleep(interval) }
            if let stop = farewell.withLock({ $0 }) {
                stop()
                sleep(grace)
            }
            _ = consume lock
            _exit(EXIT_FAILURE)
        }
    }

    /// What is done when the supervisor has gone, in place of ending at once.
    public static func atItsEnd(_ stop: @escaping @Sendable () -> Void) { farewell.withLock { $0 = stop } }
}
