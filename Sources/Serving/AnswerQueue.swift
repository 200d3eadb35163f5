import Configuration
import Messaging
import Model
import Pipeline
import Schema
import Synchronization
import Tensors

/// Generates answers on a queue of their own, in live mode, so that predictions never wait for one.
///
/// What is to be answered goes through a mailbox that both sides lock only briefly; finished pieces are fetched from it with each tick.
package final class AnswerQueue: Sendable {
    private let mailbox = Mailbox()
    private let worker: Worker

    /// - Returns: nil where the settings answer no moments.
    /// - Throws: as `Answers.init` does.
    package init?(_ settings: GraphSettings, clock: any TimeSource) throws {
        guard let answers = try Answers(settings, clock: clock) else { return nil }
        worker = Worker(answers)
    }

    deinit { mailbox.close() }

    /// Queues a moment, if it asks for an answer.
    /// - Parameter muted: senses that are left out of the moment.
    package func add(_ moment: Moment, _ input: MomentInput, without muted: Set<String>) {
        post(.moment(moment, input, without: muted))
    }

    /// Adopts a published policy, where answers are decisions. One that is refused is counted.
    package func adopt(_ update: PolicyUpdate, payload message: WireMessage) { post(.policy(update, message)) }

    /// Replaces the corrections that are recalled.
    package func adopt(_ update: MemoryUpdate) { post(.memory(update)) }

    /// Sets the model that answers begin with from now on.
    package func adopt(_ version: AdoptedModels.Version) { post(.model(version)) }

    /// The pieces of answers that have been generated since the last call.
    package func fetch() -> [Outgoing] {
        let (outputs, isWaiting) = mailbox.fetch()
        if isWaiting { start() }
        return outputs
    }

    /// What has been dropped, and the gauges of a status.
    package var telemetry: (drops: Drops, gauges: [String: Double]) { mailbox.telemetry }

    private func post(_ letter: Letter) {
        if mailbox.post(letter) { start() }
    }

    private func start() {
        Task { [worker, mailbox] in await worker.work(through: mailbox) }
    }

    fileprivate enum Letter: Sendable {
        case moment(Moment, MomentInput, without: Set<String>)
        case policy(PolicyUpdate, WireMessage)
        case model(AdoptedModels.Version)
        case memory(MemoryUpdate)
    }

    /// What waits for the worker, and what waits to be fetched.
    fileprivate final class Mailbox: Sendable {
        private struct State {
            var letters: [Letter] = []
            var outputs: [Outgoing] = []
            var drops = Drops()
            var gauges: [String: Double] = [:]
            var isWorking = false, isPaused = false, isClosed = false
        }

        private let state = Mutex(State())
        /// The most letters that wait; beyond it the oldest moment goes.
        private static let mostLetters = 4_096
        /// The most messages that wait to be fetched; the worker pauses then.
        private static let mostOutputs = 256

        /// - Returns: whether the worker has to be started.
        func post(_ letter: Letter) -> Bool {
            state.withLock { state in
                // A newer model or memory replaces one that has not been looked at.
                if case .model = letter { state.letters.removeAll { if case .model = $0 { true } else { false } } }
                if case .memory = letter { state.letters.removeAll { if case .memory = $0 { true } else { false } } }
                state.letters.append(letter)
                if state.letters.count > Self.mostLetters {
                    // There are moments among so many: of models and memories the newest alone waits, and policies come rarely.
                    let oldest = state.letters.firstIndex { if case .moment = $0 { true } else { false } }
                    state.letters.remove(at: oldest ?? 0)
                    state.drops.count(oldest == nil ? .overflow : .unanswered)
                }
                guard !state.isWorking else { return false }
                state.isWorking = true
                return true
            }
        }

        /// Takes all letters.
        /// - Parameter isIdle: whether the worker has nothing to do without letters.
        /// - Returns: nil where the worker is to stop.
        func take(isIdle: Bool) -> [Letter]? {
            state.withLock { state in
                state.isPaused = state.outputs.count >= Self.mostOutputs
                if state.isClosed || state.isPaused || isIdle && state.letters.isEmpty {
                    state.isWorking = false
                    return nil
                }
                defer { state.letters = [] }
                return state.letters
            }
        }

        func put(_ outputs: [Outgoing], _ drops: Drops, _ gauges: [String: Double]) {
            state.withLock { state in
                state.outputs += outputs
                state.drops.add(drops)
                state.gauges = gauges
            }
        }

        /// - Returns: what has been put, and whether the worker had paused and has to be started.
        func fetch() -> ([Outgoing], Bool) {
            state.withLock { state in
                defer { (state.outputs, state.isPaused) = ([], false) }
                let isWaiting = state.isPaused && !state.isWorking
                if isWaiting { state.isWorking = true }
                return (state.outputs, isWaiting)
            }
        }

        var telemetry: (drops: Drops, gauges: [String: Double]) { state.withLock { ($0.drops, $0.gauges) } }

        func close() { state.withLock { $0.isClosed = true } }
    }

    /// Owns the decoder, on its own queue.
    private actor Worker {
        private nonisolated let executor = StageExecutor("accrete.answers")
        nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
        private var answers: Answers
        private var model: Answers.AnsweringModel?
        /// Drops of the answers that have been reported.
        private var reported = Drops()

        init(_ answers: sending Answers) { self.answers = answers }

        func work(through mailbox: Mailbox) {
            while let letters = mailbox.take(isIdle: model == nil || answers.isIdle) {
                var drops = Drops()
                for letter in letters {
                    switch letter {
                    case .moment(let moment, let input, let muted): answers.add(moment, input, without: muted)
                    case .model(let version): adopt(version)
                    case .memory(let update): answers.adopt(update)
                    case .policy(let update, let message):
                        do throws(Refusal) {
                            try answers.adopt(update, payload: message)
                        } catch {
                            drops.count(error.reason, because: error.detail)
                        }
                    }
                }
                let outputs = model.map { answers.advance($0) } ?? []
                for (reason, count) in answers.drops.counts where count > reported[reason] {
                    drops.count(reason, count - reported[reason])
                }
                reported = answers.drops
                mailbox.put(outputs, drops, answers.gauges)
            }
        }

        private func adopt(_ version: AdoptedModels.Version) {
            let parameters = model?.parameters ?? ParameterStore(answers.layout)
            version.parameters.copy(into: parameters)
            model = .init(parameters: parameters, version: version.update.version)
        }
    }
}
