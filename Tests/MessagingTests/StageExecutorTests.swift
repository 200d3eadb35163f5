import Dispatch
import Messaging
import Testing

struct StageExecutorTests {
    private actor Seated {
        let executor = StageExecutor("seated")
        nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
        private(set) var count = 0

        func count(to end: Int) async {
            while count < end {
                dispatchPrecondition(condition: .onQueue(executor.queue))
                count += 1
                await Task.yield()
            }
        }

        nonisolated func countFromItsQueue() {
            executor.queue.sync { assumeIsolated { $0.count += 1 } }
        }
    }

    @Test func theActorRunsOnItsQueueAndTheQueueIsTheActor() async {
        let seated = Seated()
        await seated.count(to: 1_000)
        seated.countFromItsQueue()
        #expect(await seated.count == 1_001)
    }
}
