import Glibc
import Messaging
import Pipeline

extension ConfigurationReader<Settings>.Reading {
    /// Endpoints that cannot be used on this host: malformed, a path too long, a port or a socket that another process holds.
    public func unreachable(environment: [String: String]) -> [ConfigurationError.Problem] {
        settings.endpoints.lists.flatMap { key, list in
            settings.endpoints.resolved(list, modality: "image", environment: environment).compactMap { text in
                reason(text).map { .init(origin: origin(of: "endpoints.\(key)"), text: "endpoints.\(key): \(text) \($0)") }
            }
        }
    }

    private func reason(_ text: String) -> String? {
        do {
            let endpoint = try Endpoint(text)
            let publisher = try ZeroMQBus().publisher(.bind, [endpoint])
            publisher.close()
            return nil
        } catch {
            return "cannot be bound: \(error)"
        }
    }
}
