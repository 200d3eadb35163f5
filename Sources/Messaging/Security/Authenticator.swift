import CZeroMQ
import Dispatch

/// Answers ZeroMQ's question for every connection to a bound endpoint: whether the owner of this key may come in.
/// https://rfc.zeromq.org/spec/27/
///
/// ZeroMQ asks it over a socket within the process. Endpoints are bound so that nobody comes in while it does not answer. It also looks
/// whether the list of keys has changed.
actor Authenticator {
    /// The address at which ZeroMQ asks.
    private static let address = "inproc://zeromq.zap.01"
    /// How often the list of keys is looked at, milliseconds.
    static let period = 100

    nonisolated let admission: Admission
    private let executor = StageExecutor("accrete.authenticator")
    private let questions: Questions
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ security: Security, in context: Context) throws(MessagingError) {
        admission = try Admission(security)
        let socket = try Socket(.reply, limits: Limits(), in: context, keepsContext: false)
        guard zmq_bind(socket.pointer, Self.address) == 0 else { throw .zeroMQ("answer who may connect") }
        questions = Questions(socket, descriptor: try socket.newsDescriptor(), on: executor.queue, period: Self.period)
        questions.start { [weak self] in self?.assumeIsolated { $0.answer() } }
    }

    /// Stops answering: from then on nobody comes in.
    nonisolated func stop() { questions.cancel() }

    private func answer() {
        admission.reload()
        while let request = questions.socket.receiveParts(atMost: Self.mostParts) {
            guard let reply = reply(to: request) else { continue }
            questions.socket.send(reply)
        }
    }

    private static let mostParts = 16

    /// The answer: version, the request's id, status, its text, the owner as the user's id, and no metadata. A question that is none is
    /// refused.
    private func reply(to request: [[UInt8]]) -> [[UInt8]]? {
        let id = request.count > 1 ? request[1] : []
        guard request.count == 7, request[0] == Array("1.0".utf8), request[5] == Array("CURVE".utf8),
            let key = CurveKeyPair.text(request[6]),
            let access = Access(rawValue: String(decoding: request[2], as: UTF8.self)), admission.sender(key, at: access) != nil
        else {
            admission.count(.notAdmitted)
            return ["1.0", nil, "400", "not admitted", "", ""].map { $0.map { Array($0.utf8) } ?? id }
        }
        return ["1.0", nil, "200", "", key, ""].map { $0.map { Array($0.utf8) } ?? id }
    }
}

/// The socket of questions with what wakes its owner. The socket is closed when both have been cancelled, on their queue.
///
/// Sendable because the socket is used on that queue only.
private final class Questions: @unchecked Sendable {
    let socket: Socket
    private let news: any DispatchSourceRead
    private let timer: any DispatchSourceTimer

    init(_ socket: Socket, descriptor: Int32, on queue: DispatchQueue, period: Int) {
        self.socket = socket
        news = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now(), repeating: .milliseconds(period))
    }

    func start(_ wake: @escaping @Sendable () -> Void) {
        news.setEventHandler(handler: wake)
        // ZMQ_FD is edge triggered; the timer takes what an edge has missed.
        timer.setEventHandler(handler: wake)
        // Unsafe to the compiler only: the handler runs on the queue that alone uses the socket, and is the last to.
        nonisolated(unsafe) let socket = socket
        news.setCancelHandler { socket.close() }
        news.resume()
        timer.resume()
    }

    func cancel() {
        timer.cancel()
        news.cancel()
    }

    deinit { cancel() }
}
