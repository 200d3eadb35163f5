import CVector
import Glibc
import Synchronization

/// A piece of work that all members of a team do together, meeting where they must.
public protocol TeamWork: AnyObject {
    func work(_ share: Share)
}

/// A fixed number of threads that replay graphs together: the caller's and the team's own.
///
/// Members wait by spinning for a moment, then sleeping, so that several processes on few cores do not hold one
/// another up. A given member count gives the same results to the bit every time.
/// Several threads may call `run`: one piece of work is done after the other.
public final class Team: Sendable {
    public let count: Int
    private let circle: Circle

    /// Only the calling thread.
    public static let solo = Team(count: 1)

    public init(count: Int) {
        precondition(count >= 1, "a team of \(count)")
        self.count = count
        circle = Circle(members: count)
        for index in 1..<count { circle.startMember(index) }
    }

    deinit { circle.dismiss() }

    public func run(_ work: some TeamWork) {
        if count > 1 { circle.run(work) } else { work.work(.whole) }
    }

    /// Every member waits here for all others.
    @inline(__always)
    public func meet() {
        if count > 1 { circle.meet() }
    }
}

/// What the members of a team share; it outlives the team until the last member has left.
///
/// Unchecked: `work` and `isDismissed` are written only by the caller, while all others wait in `meet`, which orders memory.
private final class Circle: @unchecked Sendable {
    private let members: Int
    private let arrived = Atomic<Int>(0)
    private let meetings = Atomic<Int>(0)
    private let sleepers = Atomic<Int>(0)
    private let oneCaller = Lock()
    private let bed = Lock()
    private var work: (any TeamWork)?
    private var isDismissed = false

    init(members: Int) { self.members = members }

    func startMember(_ index: Int) {
        let seat = Unmanaged.passRetained(Seat(circle: self, index: index))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                let seat = Unmanaged<Seat>.fromOpaque(argument!).takeRetainedValue()
                seat.circle.serve(seat.index)
                return nil
            }, seat.toOpaque())
        precondition(status == 0, "a team's thread could not start: \(String(cString: strerror(status)))")
        pthread_detach(thread)
    }

    func run(_ work: any TeamWork) {
        oneCaller.lock()
        self.work = work
        meet()
        work.work(Share(index: 0, of: members))
        meet()
        self.work = nil
        oneCaller.unlock()
    }

    func dismiss() {
        isDismissed = true
        if members > 1 { meet() }
    }

    private func serve(_ index: Int) {
        while true {
            meet()
            if isDismissed { return }
            work?.work(Share(index: index, of: members))
            meet()
        }
    }

    func meet() {
        let meeting = meetings.load(ordering: .acquiring)
        if arrived.add(1, ordering: .acquiringAndReleasing).newValue == members {
            arrived.store(0, ordering: .relaxed)
            meetings.store(meeting &+ 1, ordering: .sequentiallyConsistent)
            if sleepers.load(ordering: .sequentiallyConsistent) > 0 { bed.wakeAll() }
            return
        }
        for _ in 0..<spins {
            if meetings.load(ordering: .acquiring) != meeting { return }
            CVectorSpinHint()
        }
        bed.lock()
        sleepers.add(1, ordering: .sequentiallyConsistent)
        while meetings.load(ordering: .sequentiallyConsistent) == meeting { bed.sleep() }
        sleepers.subtract(1, ordering: .sequentiallyConsistent)
        bed.unlock()
    }

    /// About 100 µs: longer than the spread between members within one operator, shorter than a scheduler's slice.
    private let spins = 4_000
}

private final class Seat: Sendable {
    let circle: Circle
    let index: Int

    init(circle: Circle, index: Int) {
        self.circle = circle
        self.index = index
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
