import Model
import Statistics

/// The newest finished tasks, kept for replay.
struct TaskMemory {
    private let capacity: Int
    private var tasks: [Episode<[MomentInput]>] = []
    private var oldest = 0
    private var random = RandomSource(seed: 1)

    init(capacity: Int) { self.capacity = capacity }

    mutating func add(_ task: Episode<[MomentInput]>) {
        guard tasks.count == capacity else { return tasks.append(task) }
        tasks[oldest] = task
        oldest = (oldest + 1) % capacity
    }

    /// A random task, its moments randomly divided again into support and query; nil if there is none.
    mutating func draw() -> Episode<[MomentInput]>? {
        guard !tasks.isEmpty else { return nil }
        let task = tasks[random.uniform(below: tasks.count)]
        var moments = task.support + task.query
        random.shuffle(&moments)
        return Episode(support: Array(moments.prefix(task.support.count)), query: Array(moments.dropFirst(task.support.count)))
    }
}
