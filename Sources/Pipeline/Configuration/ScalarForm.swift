import Foundation
import Yams

/// The accepted notations of scalar values, and why another is refused.
///
/// YAML 1.1 and 1.2 read `010`, `1_000`, `1:30` and `yes` differently. Each of these is refused, with its possible meanings.
enum ScalarForm {
    /// Why a plain scalar is no whole number, as the text to append to the refusal; nil where it is one.
    static func problemOfInteger(_ text: String) -> String? {
        let digits = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
        guard digits == "0" || digits.wholeMatch(of: /[1-9][0-9]*/) != nil else { return ambiguity(of: text) ?? "" }
        return Int(text) == nil ? ": it does not fit into 64 bits" : nil
    }

    /// Why a plain scalar is no number; nil where it is one.
    static func problemOfNumber(_ text: String) -> String? {
        guard text.wholeMatch(of: /[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?/) != nil else {
            return ambiguity(of: text) ?? ""
        }
        guard let value = Double(text.hasPrefix("+") ? String(text.dropFirst()) : text) ?? Double(text + "0") else { return "" }
        if !value.isFinite { return ": it is larger than any 64-bit number" }
        let mantissa = text.prefix { $0 != "e" && $0 != "E" }
        return value == 0 && mantissa.contains(where: { ("1"..."9").contains($0) }) ? ": it is smaller than any 64-bit number" : nil
    }

    /// Why a plain scalar is neither true nor false; nil where it is one of them.
    static func problemOfBool(_ text: String) -> String? {
        switch text {
        case "true", "True", "TRUE", "false", "False", "FALSE": nil
        case _ where ["yes", "y", "on", "no", "n", "off"].contains(text.lowercased()):
            ": YAML 1.1 and 1.2 differ on it; write true or false"
        default: ""
        }
    }

    /// Why a text that looks like a number can be read in more than one way; nil where it cannot.
    private static func ambiguity(of text: String) -> String? {
        let digits = text.drop { $0 == "-" || $0 == "+" }
        if digits.wholeMatch(of: /0[0-9_]+/) != nil {
            guard let octal = Int(digits, radix: 8), let decimal = Int(digits) else { return ": a number has no leading zeros" }
            return ": YAML 1.1 reads it as \(octal), YAML 1.2 as \(decimal); write the one that is meant without the leading zero"
        }
        if digits.wholeMatch(of: /0[xXoObB][0-9a-fA-F_]+/) != nil { return ": write the number in decimal" }
        if digits.wholeMatch(of: /0[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?/) != nil { return ": a number has no leading zeros" }
        if digits.wholeMatch(of: /[0-9][0-9_]*(\.[0-9_]*)?/) != nil, digits.contains("_") {
            return ": write the number without underscores"
        }
        if digits.wholeMatch(of: /[0-9][0-9_]*(:[0-9]+)+(\.[0-9]*)?/) != nil {
            return ": YAML 1.1 reads it in base 60; write the number in decimal"
        }
        if digits.wholeMatch(of: /\.?(inf|Inf|INF|nan|NaN|NAN|infinity)/) != nil { return ": it must be finite" }
        return nil
    }

    /// Deeper nesting is refused; the YAML parser recurses with it.
    private static let deepest = 64

    /// Whether a text nests deeper than any configuration, estimated without parsing it.
    static func isTooDeep(_ yaml: String) -> Bool {
        var flow = 0
        var leading = 0, isLeading = true
        for byte in yaml.utf8 {
            switch byte {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"): (leading, isLeading) = (0, true)
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                flow += 1
                isLeading = false
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                flow -= 1
                isLeading = false
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: ":"):
                if isLeading { leading += 1 }
            default: isLeading = false
            }
            if flow > deepest || leading > 4 * deepest { return true }
        }
        return false
    }
}

extension Node {
    /// Whether it is YAML's null: empty, `~` or `null`, not quoted.
    var isNull: Bool {
        guard let scalar, scalar.style == .plain || scalar.style == .any else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    private var isPlain: Bool { scalar.map { $0.style == .plain || $0.style == .any } ?? false }

    /// Why this node is no value of `kind`, as the end of a sentence; nil where it is one.
    func misfit(_ kind: String) -> String? {
        let plain = "wants \(kind), not '\(shown)'"
        if kind == "a list" {
            return sequence != nil ? nil : isNull ? "wants a list, not null; an empty list is []" : mapping != nil ? plain : nil
        }
        guard let scalar else { return plain }
        if isNull { return kind == "a text" ? "wants a text, not null; an empty text is \"\"" : "wants \(kind), not null" }
        if kind == "a text" { return nil }
        guard isPlain else { return "wants \(kind), not the text '\(shown)'" }
        let reason =
            switch kind {
            case "true or false": ScalarForm.problemOfBool(scalar.string)
            case "a whole number": ScalarForm.problemOfInteger(scalar.string)
            default: ScalarForm.problemOfNumber(scalar.string)
            }
        return reason.map { plain + $0 }
    }

    /// Whether there are more than `limit` nodes in it, those that aliases repeat counted each time.
    func hasMoreNodes(than limit: Int) -> Bool {
        var left = limit
        func walk(_ node: Node) -> Bool {
            left -= 1
            if left < 0 { return true }
            if let sequence = node.sequence { return sequence.contains(where: walk) }
            if let mapping = node.mapping { return mapping.contains { walk($0.key) || walk($0.value) } }
            return false
        }
        return walk(self)
    }
}
