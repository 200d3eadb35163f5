import Foundation
import Pipeline
import Yams

extension GraphSettings {
    /// The text of `schemas/config.schema.json`.
    public static var jsonSchema: String {
        get throws { try ConfigurationReader(defaults: GraphSettings()).jsonSchema(title: "Accrete's configuration") }
    }

    /// Every setting with its default, as YAML: the expected value of `defaultConfiguration` in the module Wiring.
    public static var defaults: String {
        get throws { try YAMLEncoder().encode(GraphSettings()) }
    }

    /// Every dotted key and its value.
    public var table: [String: String] {
        let keys = (try? ConfigurationReader(defaults: self).keys()) ?? []  // encoding a plain value does not fail
        return Dictionary(keys.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
    }
}
