import Statistics

/// Takes private parts out of texts, and counts them by rule.
///
/// A part is replaced by its rule's name in brackets: `[email]`, `[pattern]`, `[name]`. Rules are tried at each place in one order, so
/// equal texts give equal texts, and a text that was redacted is not changed again.
public struct Redactor: Sendable {
    /// How many parts were taken out, by rule.
    public private(set) var counts: [String: UInt64] = [:]

    private let rules: [(name: String, rule: RedactionRule)]
    private let patterns: [[RedactedCharacter]]
    /// By the first character, in lower case.
    private let names: [Character: [[Character]]]

    /// The longest text that is looked through, in bytes.
    public static let mostBytes = 1 << 16

    /// - Parameter settings: valid ones; nil where they take nothing out.
    public init?(_ settings: PrivacySettings) {
        guard settings.redacts else { return nil }
        rules = redactionRules.filter { settings.redact.contains($0.key) }.map { ($0.key, $0.value) }
        patterns = settings.patterns.map { $0.map(RedactedCharacter.init) }
        let words = settings.names.map { Array($0.lowercased()) }.filter { !$0.isEmpty }
        names = Dictionary(grouping: words) { $0[0] }.mapValues { $0.sorted { $0.count > $1.count } }
    }

    /// A text without its private parts.
    public mutating func redact(_ text: String) -> String {
        let characters = text.map(RedactedCharacter.init)
        var result = "", place = 0, isChanged = false
        while place < characters.count {
            if let (name, count) = match(characters, place) {
                result += "[\(name)]"
                counts[name, default: 0] = (counts[name] ?? 0).clampedAdding(1)
                place += count
                isChanged = true
            } else {
                result.append(characters[place].character)
                place += 1
            }
        }
        return isChanged ? result : text
    }

    private func match(_ text: [RedactedCharacter], _ place: Int) -> (name: String, count: Int)? {
        for (name, rule) in rules {
            if let count = rule.match(text, place), count > 0 { return (name, count) }
        }
        guard place == 0 || !text[place - 1].isWord || !text[place].isWord else { return nil }
        if let count = patterns.lazy.compactMap({ Self.match($0, text, place) }).first(where: { $0 > 0 }) { return ("pattern", count) }
        return named(text, place).map { ("name", $0) }
    }

    /// The number of characters from a place on that a pattern describes; nil where it does not. A run of letters and digits is taken as
    /// long as it is.
    private static func match(_ pattern: [RedactedCharacter], _ text: [RedactedCharacter], _ place: Int) -> Int? {
        var end = place
        for one in pattern {
            guard end < text.count else { return nil }
            let other = text[end]
            switch one.character {
            case "#" where other.digit != nil, "@" where other.isLetter: end += 1
            case "#", "@": return nil
            case "*":
                guard other.isWord else { return nil }
                while end < text.count, text[end].isWord { end += 1 }
            default:
                guard one.character == other.character || one.character.lowercased() == other.character.lowercased() else { return nil }
                end += 1
            }
        }
        guard end == text.count || !text[end].isWord || !text[end - 1].isWord else { return nil }
        return end - place
    }

    /// The number of characters of a name that begins at a place.
    private func named(_ text: [RedactedCharacter], _ place: Int) -> Int? {
        guard let first = text[place].character.lowercased().first, let candidates = names[first] else { return nil }
        return candidates.first { name in
            guard place + name.count <= text.count else { return false }
            let isSame = name.indices.allSatisfy { text[place + $0].character.lowercased() == String(name[$0]) }
            let end = place + name.count
            return isSame && (end == text.count || !text[end].isWord)
        }?.count
    }
}
