import CVector
import Glibc
import Synchronization

/// Work in rounds, each cut into shares that may be done at the same time, by any thread.
public protocol TeamWork: AnyObject {
    /// How many rounds: one unless told. A round begins when all shares of the one before are done.
    var rounds: Int { get }
    func work(_ share: Share, round: Int)
}

extension TeamWork {
    public var rounds: Int { 1 }
}

/// A fixed number of threads that replay graphs together: the caller's and the team's own.
///
/// A round is cut into as many shares as the team has members, and whoever is free takes the next one. So a given count gives
/// the same results to the bit every time, and on a busy machine nobody waits for a member that the system does not run.
/// Members without work look out for some for a moment, then sleep.
/// Several threads may call `run`: one piece of work is done after the other.
public final class Team: Sendable {
    public let count: Int
    private let table: Table

    /// Only the calling thread.
    public static let solo = Team(count: 1)

    public init(count: Int) {
        precondition(count >= 1, "a team of \(count)")
        self.count = count
        table = Table(members: count)
        for _ in 1..<count { table.seatMember() }
    }

    deinit { table.dismiss() }

    public func run(_ work: some TeamWork) {
        if count > 1 { return table.run(work) }
        for round in 0..<work.rounds { work.work(.whole, round: round) }
    }
}

/// Where a team's work lies; it outlives the team until the last member has left.
///
/// Every share of every round ever run has a ticket, in order. Whoever takes a ticket below `limit` does that share; its run
/// cannot end before, so `work` and `firstTicket` stay as they are.
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
    private let bed = Lock()
    private var work: (any TeamWork)?
    private var firstTicket = 0

    /// About 100 µs: longer than a caller pauses between runs, shorter than a scheduler's slice.
    private let patience = 4_000

    init(members: Int) { self.members = members }

    func seatMember() {
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Table>.fromOpaque(argument!).takeRetainedValue().serve()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(status == 0, "a team's thread could not start: \(String(cString: strerror(status)))")
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
            // Whoever holds the ticket may be waiting for this core.
            if waited < patience { CVectorSpinHint() } else { sched_yield() }
        }
    }

    private func waitForTickets() {
        for _ in 0..<patience {
            if hasTickets { return }
            CVectorSpinHint()
        }
        bed.lock()
        sleepers.add(1, ordering: .sequentiallyConsistent)
        while !hasTickets, !isDismissed.load(ordering: .sequentiallyConsistent) { bed.sleep() }
        sleepers.subtract(1, ordering: .sequentiallyConsistent)
        bed.unlock()
    }

    private var hasTickets: Bool {
        next.load(ordering: .sequentiallyConsistent) < limit.load(ordering: .sequentiallyConsistent)
    }

    private func wakeSleepers() {
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 { bed.wakeAll() }
    }
}

/// A mutex and its condition.
///
/// Unchecked: both are made for use by several threads, and their memory does not move.
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
    /// Between `lock` and `unlock`: sleeps until woken, and may wake by itself.
    func sleep() { pthread_cond_wait(condition, mutex) }

    func wakeAll() {
        lock()
        pthread_cond_broadcast(condition)
        unlock()
    }
}
