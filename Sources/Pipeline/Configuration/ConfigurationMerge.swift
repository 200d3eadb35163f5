import Yams

/// A tree of defaults that is overlaid with values from files, variables and the command line, and a list of the values refused.
struct ConfigurationMerge {
    private(set) var tree: Node
    private(set) var origins: [String: Origin] = [:]
    private(set) var problems: [ConfigurationError.Problem] = []

    init(tree: Node) {
        self.tree = tree
    }

    /// `ACCRETE_LEARN__SEED` → `learn.seed`, for every key of the defaults.
    var keysByVariable: [String: String] {
        Dictionary(
            Self.leaves(of: tree).map { leaf in
                ("ACCRETE_" + leaf.key.split(separator: ".").map { $0.uppercased() }.joined(separator: "__"), leaf.key)
            }, uniquingKeysWith: { first, _ in first })
    }

    mutating func report(_ text: String, at origin: Origin) {
        let problem = ConfigurationError.Problem(origin: origin, text: text)
        if !problems.contains(problem), problems.count < Self.mostProblems { problems.append(problem) }
    }

    /// The most problems that are reported at once.
    private static let mostProblems = 1000

    mutating func overlay(text: String, of name: String) {
        guard !ScalarForm.isTooDeep(text) else { return report("nests too deep for a configuration", at: .file(name, line: 1)) }
        do {
            // A byte order mark is not part of the text.
            guard let node = try compose(yaml: text.hasPrefix("\u{feff}") ? String(text.dropFirst()) : text) else { return }
            guard !node.hasMoreNodes(than: Self.mostNodes) else {
                return report(
                    "has more than \(Self.mostNodes) values, those that aliases repeat counted each time", at: .file(name, line: 1))
            }
            tree = merged(tree, with: node, path: [], from: { .file(name, line: $0.mark?.line ?? 1) })
        } catch let YamlError.scanner(_, problem, mark, _), let YamlError.parser(_, problem, mark, _), let YamlError.composer(
            _, problem, mark, _)
        {
            report("not YAML: \(problem)", at: .file(name, line: mark.line))
        } catch let YamlError.duplicatedKeysInMapping(duplicates, context) {
            let names = duplicates.sorted().map { $0.prefix(80) }.joined(separator: ", ")
            report("\(names) is given twice", at: .file(name, line: context.mark.line))
        } catch let YamlError.reader(problem, _, _, _) {
            report("not YAML: \(problem)", at: .file(name, line: 1))
        } catch {
            report("not YAML: \(error)", at: .file(name, line: 1))
        }
    }

    /// A configuration with more values is refused: aliases can multiply a few of them without bound.
    private static let mostNodes = 100_000

    mutating func set(key: String, yaml: String, from origin: Origin) {
        guard !ScalarForm.isTooDeep(yaml) else { return report("\(key) nests too deep for a configuration", at: origin) }
        let value: Node
        do {
            value = try compose(yaml: yaml) ?? Node("", Tag(.str), .doubleQuoted)
            guard !value.hasMoreNodes(than: Self.mostNodes) else {
                return report("\(key) has more than \(Self.mostNodes) values", at: origin)
            }
        } catch {
            return report("\(key): '\(yaml.prefix(80))' is not a YAML value", at: origin)
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
            if let misfit = other.misfit(base.kind) {
                report("\(key) \(misfit)", at: origin(other))
                return base
            }
            return other.fitting(base)
        }
        guard case .mapping(let others) = other else {
            if other.isNull { return base }  // a heading without keys
            report("\(key.isEmpty ? "the file" : key) wants keys and values, not '\(other.shown)'", at: origin(other))
            return base
        }
        let isOpen = mapping.isEmpty && !path.isEmpty
        if isOpen { origins[key] = origin(other) }
        for (name, value) in others {
            let word = name.string.map { String($0.prefix(80)) } ?? name.shown
            if let known = mapping[name] {
                mapping[name] = merged(known, with: value, path: path + [word], from: origin)
            } else if isOpen {
                origins[(path + [word]).joined(separator: ".")] = origin(name)
                mapping[name] = value
            } else {
                let full = (path + [word]).joined(separator: ".")
                let near = Spelling.nearest(to: word, among: mapping.keys.compactMap(\.string))
                report(
                    "unknown key \(full)" + (near.map { "; did you mean \((path + [$0]).joined(separator: "."))?" } ?? ""), at: origin(name)
                )
            }
        }
        return .mapping(mapping)
    }

    /// Reports keys in lists and open mappings that no setting uses, and values in them that can be read in more than one way.
    /// - Parameter made: the tree that the decoded settings encode as.
    mutating func compare(with made: Node) {
        for key in origins.keys.sorted() {
            let path = key.split(separator: ".").map(String.init)
            guard let given = tree.descendant(path), let taken = made.descendant(path) else { continue }
            compare(given, with: taken, path: key)
        }
    }

    private mutating func compare(_ given: Node, with made: Node, path: String) {
        if let given = given.sequence, let made = made.sequence {
            for (index, pair) in zip(given, made).enumerated() { compare(pair.0, with: pair.1, path: "\(path)[\(index)]") }
        } else if let given = given.mapping, let made = made.mapping {
            for (name, value) in given {
                let word = name.string.map { String($0.prefix(80)) } ?? name.shown
                if let taken = made[name] {
                    compare(value, with: taken, path: "\(path).\(word)")
                } else if value.isNull {
                    report("\(path).\(word) wants a value, not null", at: place(of: path, value))
                } else {
                    let near = Spelling.nearest(to: word, among: made.keys.compactMap(\.string))
                    report("unknown key \(path).\(word)" + (near.map { "; did you mean \($0)?" } ?? ""), at: place(of: path, name))
                }
            }
        } else if given.scalar != nil, made.scalar != nil, !made.isNull {
            // A number encodes as any number: the decoded type has checked whether it must be whole.
            let kind = made.kind == "a whole number" ? "a number" : made.kind
            guard let misfit = given.misfit(kind) else { return }
            report("\(path) \(misfit)", at: place(of: path, given))
        }
    }

    /// Where a value inside `key` was written: in a file, its own line.
    func place(of key: String, _ node: Node?) -> Origin {
        var path = key.split(whereSeparator: { ".[".contains($0) })[...]
        while !path.isEmpty {
            if let found = origins[path.joined(separator: ".")] {
                guard case .file(let name, let line) = found else { return found }
                return .file(name, line: node?.mark?.line ?? line)
            }
            path = path.dropLast()
        }
        return .defaults
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
    /// The name of this node's kind in an error.
    var kind: String {
        if sequence != nil { return "a list" }
        if mapping != nil { return "keys and values" }
        if bool != nil && scalar?.style == .plain { return "true or false" }
        if int != nil && scalar?.style == .plain { return "a whole number" }
        if float != nil && scalar?.style == .plain { return "a number" }
        return "a text"
    }

    /// This node, which has passed `misfit`, as a value in the place of `base`. A whole number fits where a number is wanted; one value
    /// fits where a list is wanted.
    func fitting(_ base: Node) -> Node {
        guard let scalar else { return self }
        if base.sequence != nil { return Node([self]) }
        switch base.kind {
        case "a text": return .scalar(.init(scalar.string, Tag(.str), .doubleQuoted, scalar.mark))
        case "a whole number": return .scalar(.init(Int(scalar.string).map(String.init) ?? scalar.string, .implicit, .plain, scalar.mark))
        default: return self
        }
    }

    /// The node below this one at a path of keys.
    func descendant(_ path: [String]) -> Node? {
        path.reduce(Optional(self)) { node, name in node?.mapping?[name] }
    }

    /// The value in one line.
    var compact: String {
        if let scalar { return scalar.string }
        if let sequence { return "[" + sequence.map(\.compact).joined(separator: ", ") + "]" }
        if let mapping { return "{" + mapping.map { "\($0.key.compact): \($0.value.compact)" }.joined(separator: ", ") + "}" }
        return ""
    }

    /// The value in one line, shortened for a message.
    var shown: String {
        let text = compact
        return text.count > 80 ? text.prefix(79) + "…" : text
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
