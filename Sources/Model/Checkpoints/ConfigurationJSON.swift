import StrictJSON

/// The members of a `config.json`, read by key and type; an error names the key.
struct ConfigurationJSON {
    let members: [String: JSON]
    let file: String
    /// The key of the nested object that the members belong to; empty for the file's top level.
    private let within: String

    /// - Throws: `CheckpointError`, if the value is not an object.
    init(_ json: JSON, file: String, within: String = "") throws(CheckpointError) {
        guard let members = json.object else {
            throw within.isEmpty
                ? .malformed(file: file, "at byte 0: an object was expected") : .configuration(file: file, key: within, "is not an object")
        }
        self.members = members
        self.file = file
        self.within = within
    }

    func refuse(_ key: String, _ problem: String) -> CheckpointError {
        .configuration(file: file, key: within.isEmpty ? key : "\(within).\(key)", problem)
    }

    /// A member; nil if it is absent or null.
    func value<T>(_ key: String, _ what: String, _ read: (JSON) -> T?) throws(CheckpointError) -> T? {
        guard let member = members[key], member != .null else { return nil }
        guard let value = read(member) else { throw refuse(key, "is \(member.text()); \(what) was expected") }
        return value
    }

    func set<T>(_ field: inout T, _ key: String, _ what: String, _ read: (JSON) -> T?) throws(CheckpointError) {
        if let value = try value(key, what, read) { field = value }
    }

    /// Throws if a member is given and has none of the known values.
    func require(_ key: String, _ read: (JSON) -> String?, oneOf known: [String], fallback: String) throws(CheckpointError) {
        let given = try value(key, "a name", read) ?? fallback
        guard known.contains(given) else { throw refuse(key, "is \(given); known are \(known.joined(separator: ", "))") }
    }
}
