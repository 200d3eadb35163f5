import Foundation
import Statistics
import StrictJSON

/// As much of JSON Schema 2020-12 as our schemas use: `type`, `enum`, `pattern`, `minimum`, `maximum`, `required`, `properties`,
/// `additionalProperties`, and `$ref` within the document.
struct JSONSchema {
    private let root: JSON

    init(path: String) throws {
        root = try JSONDecoder().decode(JSON.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }

    /// The parts of `value` that the schema does not allow, each with its path.
    func problems(_ value: JSON) -> [String] { problems(value, by: root, at: "") }

    private func problems(_ value: JSON, by schema: JSON, at place: String) -> [String] {
        if schema == .bool(false) { return ["\(place) is unknown"] }
        var found: [String] = []
        if case .string(let reference) = schema["$ref"] {
            found += problems(value, by: resolve(reference), at: place)
        }
        if case .string(let type) = schema["type"], !value.isOf(type) { return ["\(place) is not of type \(type)"] }
        if case .array(let types) = schema["type"],
            !types.contains(where: { if case .string(let type) = $0 { value.isOf(type) } else { false } })
        {
            return ["\(place) is of none of the types \(types.map(\.description).joined(separator: ", "))"]
        }
        if case .array(let values) = schema["enum"], !values.contains(value) { found.append("\(place) is none of \(values)") }
        if case .string(let pattern) = schema["pattern"], case .string(let text) = value,
            text.range(of: pattern, options: .regularExpression) == nil
        {
            found.append("\(place) does not match \(pattern)")
        }
        if let number = value.double {
            if let least = schema["minimum"]?.double, number < least { found.append("\(place) is below \(least)") }
            if let greatest = schema["maximum"]?.double, number > greatest { found.append("\(place) is above \(greatest)") }
        }
        guard case .object(let members) = value else { return found }
        if case .array(let names) = schema["required"] {
            found += names.compactMap {
                if case .string(let name) = $0, members[name] == nil { "\(place)/\(name) is missing" } else { nil }
            }
        }
        for (name, member) in members.sorted(by: { $0.key < $1.key }) {
            guard let inner = schema["properties"]?[name] ?? schema["additionalProperties"] else { continue }
            found += problems(member, by: inner, at: "\(place)/\(name)")
        }
        return found
    }

    /// A reference without a target allows nothing.
    private func resolve(_ reference: String) -> JSON {
        reference.split(separator: "/").dropFirst().reduce(root) { $0[String($1)] ?? .bool(false) }
    }
}

extension JSON {
    fileprivate func isOf(_ type: String) -> Bool {
        switch self {
        case .null: type == "null"
        case .bool: type == "boolean"
        case .integer: type == "integer" || type == "number"
        case .number: type == "number"
        case .string: type == "string"
        case .array: type == "array"
        case .object: type == "object"
        }
    }
}
