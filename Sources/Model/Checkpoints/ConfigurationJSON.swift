import StrictJSON

/// The members of a `config.json`, read by key and kind; what does not fit is refused with its key.
struct ConfigurationJSON {
    let members: [String: JSON]
    let file: String
    /// The object that these members stand in, where it is not the file's whole.
    private let within: String

    /// - Throws: `CheckpointError` where it is no object.
    init(_ json: JSON, file: String, within: String = "") throws(CheckpointError) {
        guard let members = json.object else {
            throw within.isEmpty
                ? .malformed(file: file, "at byte 0: an object was expected") : .configuration(file: file, key: within, "is no object")
        }
        self.members = members
        self.file = file
        self.within = within
    }

    func refuse(_ key: String, _ problem: String) -> CheckpointError {
        .configuration(file: file, key: within.isEmpty ? key : "\(within).\(key)", problem)
    }

    /// A member, or nil where it is absent or null.
    func value<T>(_ key: String, _ what: String, _ read: (JSON) -> T?) throws(CheckpointError) -> T? {
        guard let member = members[key], member != .null else { return nil }
        guard let value = read(member) else { throw refuse(key, "is \(member.text()); \(what) was expected") }
        return value
    }

    func set<T>(_ field: inout T, _ key: String, _ what: String, _ read: (JSON) -> T?) throws(CheckpointError) {
        if let value = try value(key, what, read) { field = value }
    }

    /// Refuses a member that is given and none of those known.
    func require(_ key: String, _ read: (JSON) -> String?, oneOf known: [String], fallback: String) throws(CheckpointError) {
        let given = try value(key, "a name", read) ?? fallback
        guard known.contains(given) else { throw refuse(key, "is \(given); known are \(known.joined(separator: ", "))") }
    }
}
