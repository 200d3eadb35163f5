import Foundation
import Statistics
import StrictJSON
import Yams

extension GraphSettings {
    /// The settings as the YAML text of a file, with all digits of every number.
    public var yaml: String {
        get throws {
            let text = try YAMLEncoder().encode(self)
            let values = try JSONDecoder().decode(JSON.self, from: JSONEncoder().encode(self))
            return try serialize(node: compose(yaml: text)?.withNumbers(of: values) ?? Node([:]))
        }
    }
}

extension Node {
    /// Yams writes sixteen digits of a number; some need seventeen.
    fileprivate func withNumbers(of value: JSON) -> Node {
        switch (self, value) {
        case (.mapping(var mapping), .object(let members)):
            for (key, node) in mapping { mapping[key] = members[key.string ?? ""].map(node.withNumbers) ?? node }
            return .mapping(mapping)
        case (.sequence(var sequence), .array(let elements)) where sequence.count == elements.count:
            for (index, element) in elements.enumerated() { sequence[index] = sequence[index].withNumbers(of: element) }
            return .sequence(sequence)
        case (.scalar, .number(let number)): return Node("\(number)", Tag(.float), .plain)
        default: return self
        }
    }
}
