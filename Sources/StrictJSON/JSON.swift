/// Any JSON value: of files, settings and small states.
public enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    /// Parses a JSON text in UTF-8, as strictly as `JSONScanner`.
    /// - Throws: `JSONError`.
    public init(parsing bytes: some Collection<UInt8>) throws {
        self = try JSONScanner.read(bytes) { try $0.value() }
    }

    /// The member of an object; nil if there is none, and for values that are not objects.
    public subscript(key: String) -> JSON? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    public var object: [String: JSON]? {
        if case .object(let members) = self { members } else { nil }
    }

    public var array: [JSON]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    public var string: String? {
        if case .string(let value) = self { value } else { nil }
    }

    public var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    public var integer: Int? {
        if case .integer(let value) = self { value } else { nil }
    }

    /// The value of an integer or a number.
    public var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
}

/// A problem of a JSON text, and the byte offset where it was found.
public struct JSONError: Error, Equatable, CustomStringConvertible {
    public let offset: Int
    public let problem: String

    public init(offset: Int, problem: String) {
        self.offset = offset
        self.problem = problem
    }

    public var description: String { "at byte \(offset): \(problem)" }
}

// MARK: - Writing

extension JSON {
    /// The value as JSON text with sorted keys. Numbers must be finite.
    /// - Parameter indent: spaces for each level, with one member or element on each line; nil for text without white space.
    public func text(indent: Int? = nil) -> String {
        var out = ""
        write(to: &out, indent: indent, level: 0)
        return out
    }

    private func write(to out: inout String, indent: Int?, level: Int) {
        switch self {
        case .null: out += "null"
        case .bool(let value): out += value ? "true" : "false"
        case .integer(let value): out += String(value)
        case .number(let value):
            precondition(value.isFinite, "JSON has no \(value)")
            out += value.description
        case .string(let value): Self.write(value, to: &out)
        case .array(let elements):
            Self.write(elements, between: "[", "]", to: &out, indent, level) { element, out in
                element.write(to: &out, indent: indent, level: level + 1)
            }
        case .object(let members):
            Self.write(members.sorted { $0.key < $1.key }, between: "{", "}", to: &out, indent, level) { member, out in
                Self.write(member.key, to: &out)
                out += indent == nil ? ":" : ": "
                member.value.write(to: &out, indent: indent, level: level + 1)
            }
        }
    }

    private static func write<Item>(
        _ items: [Item], between open: String, _ close: String, to out: inout String, _ indent: Int?, _ level: Int,
        _ write: (Item, inout String) -> Void
    ) {
        func line(_ level: Int) -> String { indent.map { "\n" + String(repeating: " ", count: $0 * level) } ?? "" }
        out += open
        for (i, item) in items.enumerated() {
            if i > 0 { out += "," }
            out += line(level + 1)
            write(item, &out)
        }
        if !items.isEmpty { out += line(level) }
        out += close
    }

    private static func write(_ string: String, to out: inout String) {
        out += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case "\0"..<" ":
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        out += "\""
    }
}
