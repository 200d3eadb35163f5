import Model
import Statistics

/// The newest finished tasks, kept for replay.
struct TaskMemory {
    private let capacity: Int
    private var tasks: [(session: String, task: Episode<[MomentInput]>)] = []
    private var oldest = 0
    private var random = RandomSource(seed: 1)

    init(capacity: Int) { self.capacity = capacity }

    mutating func add(_ task: Episode<[MomentInput]>, of session: String) {
        guard tasks.count == capacity else { return tasks.append((session, task)) }
        tasks[oldest] = (session, task)
        oldest = (oldest + 1) % capacity
    }

    /// Removes the tasks of a session.
    mutating func forget(_ session: String) {
        tasks = (tasks[oldest...] + tasks[..<oldest]).filter { $0.session != session }
        oldest = 0
    }

    /// A random task, its moments randomly divided again into support and query; nil if there is none.
    mutating func draw() -> Episode<[MomentInput]>? {
        guard !tasks.isEmpty else { return nil }
        let task = tasks[random.uniform(below: tasks.count)].task
        var moments = task.support + task.query
        random.shuffle(&moments)
        return Episode(support: Array(moments.prefix(task.support.count)), query: Array(moments.dropFirst(task.support.count)))
    }
}
