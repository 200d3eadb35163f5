/// Why a model's directory cannot be opened.
public enum CheckpointError: Error, Equatable, CustomStringConvertible {
    case unreadable(file: String, String)
    case malformed(file: String, String)
    case configuration(file: String, key: String, String)
    case missing(tensors: [String], file: String)
    case unexpected(tensors: [String], file: String)

    public var description: String {
        switch self {
        case .unreadable(let file, let why): "\(file) cannot be read: \(why)"
        case .malformed(let file, let problem): "\(file) is malformed \(problem)"
        case .configuration(let file, let key, let problem): "\(file): \(key) \(problem)"
        case .missing(let tensors, let file): "\(file) lacks \(Self.list(tensors))"
        case .unexpected(let tensors, let file): "\(file) holds \(Self.list(tensors)), which this model does not have"
        }
    }

    private static func list(_ names: [String]) -> String {
        let rest = names.count - 4
        return names.prefix(4).joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    }
}
