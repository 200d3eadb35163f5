import Dispatch
import Glibc

/// Calls a handler on signals that would end the process, SIGINT and SIGTERM unless others are given.
public final class Interrupts {
    private let sources: [any DispatchSourceSignal]

    public init(on signals: [Int32] = [SIGINT, SIGTERM], _ handler: @escaping @Sendable () -> Void) {
        sources = signals.map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler(handler: handler)
            source.resume()
            return source
        }
    }

    public func cancel() {
        for source in sources { source.cancel() }
    }
}
