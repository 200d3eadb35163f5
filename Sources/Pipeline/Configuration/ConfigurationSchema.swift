import Foundation
import Yams

extension ConfigurationReader {
    /// A JSON Schema (2020-12) of the configuration file, for editors: every key with its kind and default.
    /// - Throws: `ConfigurationError` where the defaults do not encode.
    public func jsonSchema(title: String) throws -> String {
        var schema = Self.schema(of: try tree(of: defaults))
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        schema["title"] = title
        let data = try JSONSerialization.data(withJSONObject: schema, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        return String(decoding: data, as: UTF8.self) + "\n"
    }

    private static func schema(of node: Node) -> [String: Any] {
        if let mapping = node.mapping {
            guard !mapping.isEmpty else { return ["type": "object"] }
            let members = mapping.map { ($0.key.string ?? "", schema(of: $0.value)) }
            return ["type": "object", "additionalProperties": false, "properties": Dictionary(uniqueKeysWithValues: members)]
        }
        if node.sequence != nil { return ["type": ["array", "string"]] }
        switch node.kind {
        case "true or false": return ["type": "boolean", "default": node.bool ?? false]
        case "a whole number": return ["type": "integer", "default": node.int ?? 0]
        case "a number": return ["type": "number", "default": node.float ?? 0]
        default: return ["type": "string", "default": node.string ?? ""]
        }
    }
}
