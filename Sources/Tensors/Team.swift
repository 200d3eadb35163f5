import CVector
import Glibc
import Synchronization

/// Work in consecutive rounds, each divided into shares that any threads may do concurrently.
public protocol TeamWork: AnyObject {
    /// The number of rounds, 1 by default. A round begins when all shares of the one before are done.
    var rounds: Int { get }
    /// Does one share of one round, with rounds numbered from 0.
    func work(_ share: Share, round: Int)
}

extension TeamWork {
    public var rounds: Int { 1 }
}

/// A thread pool of fixed size that replays graphs: the calling thread and the team's own threads.
///
/// A round is divided into as many shares as the team has threads, and a free thread takes the next one. So a given `count` gives
/// the same results to the bit every time, and on a busy machine no thread waits for one that the system does not schedule.
/// Idle threads spin briefly for new work, then sleep. Several threads may call `run`; their work is done one after the other.
public final class Team: Sendable {
    /// The number of threads, including the caller's.
    public let count: Int
    private let table: Table

    /// A team that consists of the calling thread only.
    public static let solo = Team(count: 1)

    /// Starts `count` − 1 threads, which end when the team is deallocated.
    public init(count: Int) {
        precondition(count >= 1, "a team of \(count)")
        self.count = count
        table = Table(members: count)
        for _ in 1..<count { table.startThread() }
    }

    deinit { table.dismiss() }

    /// Does all shares of all rounds of `work`; returns when they are done.
    public func run(_ work: some TeamWork) {
        if count > 1 { return table.run(work) }
        for round in 0..<work.rounds { work.work(.whole, round: round) }
    }
}

/// The state that a team's threads share; it exists until the last thread has ended.
///
/// Shares are numbered consecutively over all rounds and runs: these numbers are the tickets. A thread that takes a ticket below
/// `limit` does that share; the run cannot end before that, so `work` and `firstTicket` do not change meanwhile.
///
/// Unchecked: those two are written only by the caller when all tickets are done, and read only with a ticket in hand;
/// `limit` and `done` order the memory.
private final class Table: @unchecked Sendable {
    private let members: Int
    private let next = Atomic<Int>(0)
    private let limit = Atomic<Int>(0)
    private let done = Atomic<Int>(0)
    private let sleepers = Atomic<Int>(0)
    private let isDismissed = Atomic<Bool>(false)
    private let oneCaller = Lock()
    private let sleepLock = Lock()
    private var work: (any TeamWork)?
    private var firstTicket = 0

    /// About 100 µs: longer than a caller pauses between runs, shorter than a scheduler's slice.
    private let patience = 4_000

    init(members: Int) { self.members = members }

    func startThread() {
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Table>.fromOpaque(argument!).takeRetainedValue().serve()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(status == 0, "cannot start a thread of a team: \(String(cString: strerror(status)))")
        pthread_detach(thread)
    }

    func run(_ work: any TeamWork) {
        oneCaller.lock()
        self.work = work
        firstTicket = limit.load(ordering: .relaxed)
        let end = firstTicket + work.rounds * members
        limit.store(end, ordering: .sequentiallyConsistent)
        wakeSleepers()
        takeTickets()
        waitUntilDone(end)
        self.work = nil
        oneCaller.unlock()
    }

    func dismiss() {
        isDismissed.store(true, ordering: .sequentiallyConsistent)
        wakeSleepers()
    }

    private func serve() {
        while !isDismissed.load(ordering: .acquiring) {
            takeTickets()
            waitForTickets()
        }
    }

    private func takeTickets() {
        while true {
            let ticket = next.load(ordering: .acquiring)
            guard ticket < limit.load(ordering: .acquiring) else { return }
            guard next.weakCompareExchange(expected: ticket, desired: ticket + 1, ordering: .acquiringAndReleasing).exchanged
            else { continue }
            let (round, share) = (ticket - firstTicket).quotientAndRemainder(dividingBy: members)
            waitUntilDone(firstTicket + round * members)
            work?.work(Share(index: share, of: members), round: round)
            done.add(1, ordering: .releasing)
        }
    }

    private func waitUntilDone(_ tickets: Int) {
        var waited = 0
        while done.load(ordering: .acquiring) < tickets {
            waited += 1
            // The thread that holds the ticket may be waiting for this core.
            if waited < patience { CVectorSpinHint() } else { sched_yield() }
        }
    }

    private func waitForTickets() {
        for _ in 0..<patience {
            if hasTickets { return }
            CVectorSpinHint()
        }
        sleepLock.lock()
        sleepers.add(1, ordering: .sequentiallyConsistent)
        while !hasTickets, !isDismissed.load(ordering: .sequentiallyConsistent) { sleepLock.sleep() }
        sleepers.subtract(1, ordering: .sequentiallyConsistent)
        sleepLock.unlock()
    }

    private var hasTickets: Bool {
        next.load(ordering: .sequentiallyConsistent) < limit.load(ordering: .sequentiallyConsistent)
    }

    private func wakeSleepers() {
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 { sleepLock.wakeAll() }
    }
}

/// A mutex with a condition variable.
///
/// Unchecked: both are thread-safe, and their memory does not move.
private final class Lock: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func lock() { pthread_mutex_lock(mutex) }
    func unlock() { pthread_mutex_unlock(mutex) }
    /// Called between `lock` and `unlock`: sleeps until woken; spurious wake-ups are possible.
    func sleep() { pthread_cond_wait(condition, mutex) }

    func wakeAll() {
        lock()
        pthread_cond_broadcast(condition)
        unlock()
    }
}
