import Statistics

/// Only a part of the model learns; the other parameters stay unchanged.
public struct PartialLearning: Strategy {
    public static let name = "scope"

    /// A name in `parameterScopes`.
    public var scope = "all"

    public init() {}

    init(scope: String) { self.scope = scope }

    public func validate() throws(SettingsError) { _ = try parameterScopes.find(scope, for: "scope") }

    public func learns(_ parameter: String) -> Bool { parameterScopes[scope]?(parameter) ?? true }
}

/// The parts of a model that may learn, by name: whether a parameter belongs to the part.
public let parameterScopes: Named<@Sendable (_ parameter: String) -> Bool> = [
    "all": { _ in true },
    "heads": { name in ["fusion.", "head.", "expert.", "ln_f"].contains { name.hasPrefix($0) } || name.contains(".norm.") },
    "trunk": { name in ["h.", "wte", "wpe", "ln_f", "fusion.prefix"].contains { name.hasPrefix($0) } },
]
