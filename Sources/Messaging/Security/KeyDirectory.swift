import Files
import Glibc
import StrictJSON

/// The directory of a graph's keys: `graph.key`, with which its endpoints are bound; `allowed.json`, the list of keys that may connect; and
/// `NAME.key`, the key of one owner, which can be taken elsewhere. All are files of mode 0600, which is checked when they are read.
public struct KeyDirectory: Sendable {
    /// The contents of a key's file.
    public struct KeyFile: Sendable, Equatable {
        /// The owner's name.
        public let name: String
        public let pair: CurveKeyPair
        /// The public key of the graph, by which the owner recognises its endpoints.
        public let graph: String
    }

    public let path: String

    /// The name of the graph's own key.
    public static let graphName = "graph"

    /// The most keys of a list.
    public static let mostKeys = 4_096

    private static let largestKey = 4_096, largestList = 16 << 20

    public init(_ path: String) { self.path = path }

    /// The list's file.
    public var list: String { "\(path)/allowed.json" }

    /// The file of an owner's key.
    public func file(of name: String) -> String { "\(path)/\(name).key" }

    /// Reads an owner's key.
    /// - Throws: `MessagingError` where the file cannot be read, is open to others, or is no key.
    public func key(of name: String) throws(MessagingError) -> KeyFile {
        let json = try read(file(of: name), atMost: Self.largestKey)
        guard let owner = json["name"]?.string, let publicKey = json["public"]?.string, let secretKey = json["secret"]?.string,
            let graph = json["graph"]?.string, CurveKeyPair.isKey(graph)
        else { throw MessagingError("use \(file(of: name))", "it lacks name, public, secret or graph") }
        return KeyFile(name: owner, pair: try CurveKeyPair(publicKey: publicKey, secretKey: secretKey), graph: graph)
    }

    /// Reads the list of keys that may connect; empty where there is none yet.
    /// - Throws: `MessagingError` where the file cannot be read, is open to others, or is no list.
    public func allowed() throws(MessagingError) -> [AllowedKey] {
        guard FileKind(of: list) != nil else { return [] }
        guard let entries = try read(list, atMost: Self.largestList)["keys"]?.array, entries.count <= Self.mostKeys else {
            throw MessagingError("use \(list)", "it is no list of at most \(Self.mostKeys) keys")
        }
        return try entries.map { entry throws(MessagingError) in try AllowedKey(entry) }
    }

    private func read(_ path: String, atMost limit: Int) throws(MessagingError) -> JSON {
        do {
            return try JSON(parsing: readPrivateFile(path, atMost: limit))
        } catch let error as FileError {
            throw MessagingError("use \(path)", error.cause)
        } catch {
            throw MessagingError("use \(path)", "\(error)")
        }
    }
}

extension KeyDirectory {
    /// Makes a key, adds it to the list and writes its file. The first one makes the directory and the graph's own key too.
    /// - Returns: the path of the key's file.
    /// - Throws: `MessagingError`, also where the name is taken.
    public func add(
        _ name: String, roles: Set<Role>, sources: Set<String> = [], messageRate: Double? = nil, byteRate: Double? = nil
    ) throws -> String {
        let pair = try CurveKeyPair()
        let entry = try AllowedKey(
            name: name, publicKey: pair.publicKey, roles: roles, sources: sources, messageRate: messageRate, byteRate: byteRate)
        try makePrivateDirectory(at: path)
        return try changing { keys throws(MessagingError) in
            guard name != Self.graphName, !keys.contains(where: { $0.name == name }) else {
                throw MessagingError("make a key '\(name)'", "the name is taken; revoke that one first")
            }
            guard keys.count < Self.mostKeys else { throw MessagingError("make a key", "a graph has at most \(Self.mostKeys)") }
            let graph = try graphKey()
            try write(KeyFile(name: name, pair: pair, graph: graph.pair.publicKey))
            return (keys + [entry], file(of: name))
        }
    }

    /// Removes a key from the list: processes that run close its connections, and none can be made with it again. Its file is removed.
    /// - Throws: `MessagingError` where the list has no key of that name.
    public func revoke(_ name: String) throws {
        try changing { keys throws(MessagingError) in
            guard keys.contains(where: { $0.name == name }) else { throw MessagingError("revoke '\(name)'", "\(list) has no such key") }
            return (keys.filter { $0.name != name }, ())
        }
        unlink(file(of: name))  // it may be elsewhere
    }

    /// Changes the list under a lock.
    private func changing<Result>(_ change: ([AllowedKey]) throws(MessagingError) -> (keys: [AllowedKey], Result)) throws -> Result {
        let lock = try DirectoryLock(path, name: "keys.lock", patience: 5_000)
        let (keys, result) = try change(try allowed())
        try replacePrivateFile(at: list, with: JSON.object(["keys": .array(keys.map(\.json))]).text(indent: 2) + "\n")
        _ = consume lock
        return result
    }

    /// The graph's own key, made where there is none.
    private func graphKey() throws(MessagingError) -> KeyFile {
        if FileKind(of: file(of: Self.graphName)) != nil { return try key(of: Self.graphName) }
        let pair = try CurveKeyPair()
        let key = KeyFile(name: Self.graphName, pair: pair, graph: pair.publicKey)
        try write(key)
        return key
    }

    private func write(_ key: KeyFile) throws(MessagingError) {
        let json = JSON.object([
            "name": .string(key.name), "public": .string(key.pair.publicKey), "secret": .string(key.pair.secretKey),
            "graph": .string(key.graph),
        ])
        do {
            try replacePrivateFile(at: file(of: key.name), with: json.text(indent: 2) + "\n")
        } catch {
            throw MessagingError("write \(file(of: key.name))", error.cause)
        }
    }
}
