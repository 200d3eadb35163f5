import Yams

/// A tree of defaults that takes values from files, variables and the command line, and keeps a list of what it refused.
struct ConfigurationMerge {
    private(set) var tree: Node
    private(set) var origins: [String: Origin] = [:]
    private(set) var problems: [ConfigurationError.Problem] = []

    init(tree: Node) {
        self.tree = tree
    }

    /// `ACCRETE_LEARN__SEED` → `learn.seed`, for every key of the defaults.
    var keysByVariable: [String: String] {
        Dictionary(Self.leaves(of: tree).map { leaf in
            ("ACCRETE_" + leaf.key.split(separator: ".").map { $0.uppercased() }.joined(separator: "__"), leaf.key)
        }, uniquingKeysWith: { first, _ in first })
    }

    mutating func report(_ text: String, at origin: Origin) {
        problems.append(.init(origin: origin, text: text))
    }

    mutating func overlay(text: String, of name: String) {
        do {
            guard let node = try compose(yaml: text) else { return }
            tree = merged(tree, with: node, path: [], from: { .file(name, line: $0.mark?.line ?? 1) })
        } catch let YamlError.scanner(_, problem, mark, _), let YamlError.parser(_, problem, mark, _), let YamlError.composer(_, problem, mark, _) {
            report("not YAML: \(problem)", at: .file(name, line: mark.line))
        } catch {
            report("not YAML: \(error)", at: .file(name, line: 1))
        }
    }

    mutating func set(key: String, yaml: String, from origin: Origin) {
        let value: Node
        do {
            value = try compose(yaml: yaml) ?? Node("")
        } catch {
            return report("\(key): '\(yaml)' is not a YAML value", at: origin)
        }
        let nested = key.split(separator: ".").reversed().reduce(value) { inner, name in
            Node([(Node(String(name)), inner)])
        }
        tree = merged(tree, with: nested, path: [], from: { _ in origin })
    }

    private mutating func merged(_ base: Node, with other: Node, path: [String], from origin: (Node) -> Origin) -> Node {
        let key = path.joined(separator: ".")
        guard case .mapping(var mapping) = base else {
            origins[key] = origin(other)
            guard let value = other.fitting(base) else {
                report("\(key) wants \(base.kind), not '\(other.compact)'", at: origin(other))
                return base
            }
            return value
        }
        guard case .mapping(let others) = other else {
            if other.isEmptyScalar { return base }  // a heading without keys
            report("\(key.isEmpty ? "the file" : key) wants keys and values, not '\(other.compact)'", at: origin(other))
            return base
        }
        let isOpen = mapping.isEmpty && !path.isEmpty
        if isOpen { origins[key] = origin(other) }
        for (name, value) in others {
            let word = name.string ?? name.compact
            if let known = mapping[name] {
                mapping[name] = merged(known, with: value, path: path + [word], from: origin)
            } else if isOpen {
                origins[(path + [word]).joined(separator: ".")] = origin(name)
                mapping[name] = value
            } else {
                let full = (path + [word]).joined(separator: ".")
                let near = Spelling.nearest(to: word, among: mapping.keys.compactMap(\.string))
                report("unknown key \(full)" + (near.map { "; did you mean \((path + [$0]).joined(separator: "."))?" } ?? ""), at: origin(name))
            }
        }
        return .mapping(mapping)
    }

    /// The keys of a tree that hold values, dotted, in order.
    static func leaves(of node: Node, path: [String] = []) -> [(key: String, node: Node)] {
        guard case .mapping(let mapping) = node, !mapping.isEmpty else {
            return [(path.joined(separator: "."), node)]
        }
        return mapping.flatMap { leaves(of: $0.value, path: path + [$0.key.string ?? ""]) }
    }
}

extension Node {
    /// What a value of this node's kind is called in an error.
    var kind: String {
        if sequence != nil { return "a list" }
        if mapping != nil { return "keys and values" }
        if bool != nil && scalar?.style == .plain { return "true or false" }
        if int != nil && scalar?.style == .plain { return "a whole number" }
        if float != nil && scalar?.style == .plain { return "a number" }
        return "a text"
    }

    /// This node as a value in the place of `base`, or nil if the kinds differ. A whole number fits where a number is wanted; one value fits where a list is.
    func fitting(_ base: Node) -> Node? {
        if base.sequence != nil { return sequence != nil ? self : scalar != nil ? Node([self]) : nil }
        guard let scalar, mapping == nil else { return nil }
        switch base.kind {
        case "true or false": return bool != nil ? self : nil
        case "a whole number": return int != nil && !scalar.string.contains(".") ? self : nil
        case "a number": return float.map { $0.isFinite } == true ? self : nil
        default: return Node(scalar.string, Tag(.str), .doubleQuoted)
        }
    }

    var isEmptyScalar: Bool { scalar.map { $0.string.isEmpty || $0.string == "null" || $0.string == "~" } ?? false }

    var compact: String {
        if let scalar { return scalar.string }
        if let sequence { return "[" + sequence.map(\.compact).joined(separator: ", ") + "]" }
        if let mapping { return "{" + mapping.map { "\($0.key.compact): \($0.value.compact)" }.joined(separator: ", ") + "}" }
        return ""
    }
}

enum Spelling {
    /// The candidate within two edits of `word`, if there is one (Levenshtein distance).
    static func nearest(to word: String, among candidates: [String]) -> String? {
        candidates.map { ($0, distance(Array(word.lowercased()), Array($0.lowercased()))) }
            .filter { $0.1 <= 2 }.min { ($0.1, $0.0) < ($1.1, $1.0) }?.0
    }

    static func distance(_ a: [Character], _ b: [Character]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let replaced = diagonal + (x == y ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[b.count]
    }
}
