extension ByteLearner {
    /// Settings of a learner; the defaults suit any text.
    public struct Configuration: Sendable, Equatable, Codable {
        /// The most memory for what was seen, in MiB: more contexts are remembered with more.
        public var memory = 1024
        /// How fast the mixers learn, in the logistic domain.
        public var rate = 0.002

        public init() {}

        /// Settings that are absent have their defaults.
        /// - Throws: `SettingError` for a key that is not a setting and for a value out of its range.
        public init(from decoder: any Decoder) throws {
            let settings = try decoder.container(keyedBy: Key.self)
            for key in settings.allKeys where CodingKeys(stringValue: key.stringValue) == nil {
                throw SettingError(setting: key.stringValue, problem: "is not a setting; the settings are memory and rate")
            }
            let known = try decoder.container(keyedBy: CodingKeys.self)
            memory = try known.decodeIfPresent(Int.self, forKey: .memory) ?? memory
            rate = try known.decodeIfPresent(Double.self, forKey: .rate) ?? rate
            try validate()
        }

        /// - Throws: `SettingError` for a value out of its range.
        public func validate() throws {
            guard (1...65536).contains(memory) else {
                throw SettingError(setting: "memory", problem: "is \(memory) MiB, not 1…65,536")
            }
            guard rate >= 0, rate <= 0.1 else {
                throw SettingError(setting: "rate", problem: "is \(rate), not 0…0.1")
            }
        }
    }
}

/// A setting that can't be used.
public struct SettingError: Error, Equatable, CustomStringConvertible {
    public let setting: String
    public let problem: String

    public var description: String { "\(setting) \(problem)" }
}

/// Any key of a settings file.
private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
