import Foundation
import Statistics

/// Finds one kind of private text.
///
/// A rule is one file or function, and one line in `redactionRules`. It takes time proportional to what it finds, or to a bound.
public struct RedactionRule: Sendable {
    /// The number of characters of a match that begins at a place; nil where none does.
    let match: @Sendable (_ text: [RedactedCharacter], _ place: Int) -> Int?
}

/// Every rule, by name, in the order in which they are tried.
public let redactionRules: Named<RedactionRule> = [
    "email": RedactionRule(match: emailAddress), "iban": RedactionRule(match: bankAccount), "address": RedactionRule(match: machineAddress),
    "card": RedactionRule(match: paymentCard), "telephone": RedactionRule(match: telephoneNumber),
]

/// A character of a text, as rules see it.
struct RedactedCharacter: Sendable, Equatable {
    let character: Character
    /// The value of a digit of any script; nil for others.
    let digit: Int?
    /// A basic Latin letter in lower case, a digit, or a sign; other letters are "a", so that they continue a word.
    let plain: UInt8

    init(_ character: Character) {
        self.character = character
        let scalars = character.unicodeScalars
        if let first = scalars.first, scalars.count == 1, first.properties.numericType == .decimal {
            digit = first.properties.numericValue.map { Int($0) }
        } else {
            digit = nil
        }
        if let digit {
            plain = UInt8(ascii: "0") + UInt8(clamping: digit)
        } else if let ascii = character.asciiValue {
            plain = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(ascii) ? ascii + 32 : ascii
        } else if character.isLetter {
            plain = UInt8(ascii: "a")
        } else {
            plain = Self.signs[character] ?? (character.isWhitespace ? UInt8(ascii: " ") : 0)
        }
    }

    /// Dashes of all kinds, and wide forms.
    private static let signs: [Character: UInt8] = [
        "‐": UInt8(ascii: "-"), "‑": UInt8(ascii: "-"), "‒": UInt8(ascii: "-"), "–": UInt8(ascii: "-"), "—": UInt8(ascii: "-"),
        "−": UInt8(ascii: "-"), "＋": UInt8(ascii: "+"), "＠": UInt8(ascii: "@"), "．": UInt8(ascii: "."),
    ]

    var isLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(plain) }
    var isWord: Bool { isLetter || digit != nil }
    var hexadecimal: Int? { digit ?? (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(plain).asHexadecimal(plain) }

    func `is`(_ signs: StaticString) -> Bool {
        signs.withUTF8Buffer { $0.contains(plain) }
    }
}

extension Bool {
    fileprivate func asHexadecimal(_ letter: UInt8) -> Int? { self ? Int(letter) - Int(UInt8(ascii: "a")) + 10 : nil }
}

/// Whether a word begins at a place, or a sign stands there.
private func isStart(_ text: [RedactedCharacter], _ place: Int) -> Bool { place == 0 || !text[place - 1].isWord }

/// The longest match of any rule, in characters.
private let longestMatch = 320

/// A local part, @, and a domain of two labels or more.  https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2
private func emailAddress(_ text: [RedactedCharacter], _ place: Int) -> Int? {
    func isLocal(_ one: RedactedCharacter) -> Bool { one.isWord || one.is("._%+-'") }
    guard isLocal(text[place]), place == 0 || !isLocal(text[place - 1]) else { return nil }
    let limit = min(text.count, place + longestMatch)
    var end = place
    while end < limit, isLocal(text[end]) { end += 1 }
    guard end < limit, text[end].is("@") else { return nil }
    end += 1
    var dots = 0, label = 0, last = 0
    while end < limit {
        if text[end].isWord || (text[end].is("-") && label > 0) {
            label += 1
            last = end + 1
        } else if text[end].is("."), label > 0, end + 1 < limit, text[end + 1].isWord {
            (dots, label) = (dots + 1, 0)
        } else {
            break
        }
        end += 1
    }
    return dots > 0 && label > 1 ? last - place : nil
}

/// Two letters, two digits, 11 to 30 letters or digits, in groups or not, with 97 as the modulus of its check.
/// https://www.iso.org/standard/81090.html
private func bankAccount(_ text: [RedactedCharacter], _ place: Int) -> Int? {
    guard isStart(text, place), place + 4 <= text.count, text[place].isLetter, text[place + 1].isLetter, text[place + 2].digit != nil,
        text[place + 3].digit != nil
    else { return nil }
    var numbers: [Int] = [], end = place, best: Int?
    while end < text.count, numbers.count < 34 {
        let one = text[end]
        if one.isWord {
            numbers.append(one.digit ?? Int(one.plain) - Int(UInt8(ascii: "a")) + 10)
            end += 1
            let ends = end == text.count || !text[end].isWord
            if ends, numbers.count >= 15, isAccount(numbers) { best = end - place }
        } else if one.is(" -"), end + 1 < text.count, text[end + 1].isWord {
            end += 1
        } else {
            break
        }
    }
    return best
}

private func isAccount(_ numbers: [Int]) -> Bool {
    (numbers[4...] + numbers[..<4]).reduce(0) { ($0 * ($1 > 9 ? 100 : 10) + $1) % 97 } == 1
}

/// Digits in groups, from a place on: their values, and where each ends.
private func digits(_ text: [RedactedCharacter], _ place: Int, signs: StaticString, most: Int) -> [(value: Int, end: Int)] {
    var found: [(value: Int, end: Int)] = [], end = place, gap = 0
    while end < text.count, found.count <= most {
        if let digit = text[end].digit {
            found.append((digit, end + 1))
            gap = 0
        } else if text[end].is(signs), gap < 2 {
            gap += 1
        } else {
            break
        }
        end += 1
    }
    return found
}

/// 13 to 19 digits, in groups or not, whose check digit is right.  https://www.iso.org/standard/70484.html
private func paymentCard(_ text: [RedactedCharacter], _ place: Int) -> Int? {
    guard isStart(text, place), text[place].digit != nil else { return nil }
    let found = digits(text, place, signs: " -", most: 19)
    for count in stride(from: min(19, found.count), through: 13, by: -1) {
        let end = found[count - 1].end
        guard end == text.count || !text[end].isWord else { continue }
        let sum = found[..<count].reversed().enumerated().reduce(0) { sum, one in
            let value = one.offset % 2 == 1 ? 2 * one.element.value : one.element.value
            return sum + (value > 9 ? value - 9 : value)
        }
        if sum % 10 == 0, found[..<count].contains(where: { $0.value != 0 }) { return end - place }
    }
    return nil
}

/// 7 to 15 digits in groups. Where they do not begin with + or 0, there are 10 or 11 of them, or they are grouped as 555-1234.
/// https://www.itu.int/rec/T-REC-E.164
private func telephoneNumber(_ text: [RedactedCharacter], _ place: Int) -> Int? {
    let hasPrefix = text[place].is("+") || beginsArea(text, place), first = place + (hasPrefix ? 1 : 0)
    guard isStart(text, place), hasPrefix || text[place].digit != nil else { return nil }
    if place > 0, !hasPrefix, text[place - 1].is("+") { return nil }  // tried there already
    if !hasPrefix, place > 1, text[place - 1].is(".-/:"), text[place - 2].digit != nil { return nil }  // within a number
    let found = digits(text, first, signs: " -./()", most: 15)
    guard let last = found.last, (7...15).contains(found.count), last.end == text.count || !text[last.end].isWord else { return nil }
    if last.end + 1 < text.count, text[last.end].is(":"), text[last.end + 1].digit != nil { return nil }  // a time follows a date
    if hasPrefix { return last.end - place }
    if found[0].value == 0 {
        let isFraction = text[place + 1].is(".") && last.end - place == found.count + 1
        return isFraction || isDate(found.map(\.value), text, place) ? nil : last.end - place
    }
    if found.count == 10 || found.count == 11 { return last.end - place }
    let isLocal = found.count == 7 && text[place + 3].is("-") && last.end - place == 8
    return isLocal ? last.end - place : nil
}

/// Whether a parenthesis with an area's number begins at a place.
private func beginsArea(_ text: [RedactedCharacter], _ place: Int) -> Bool {
    guard text[place].is("("), place + 1 < text.count else { return false }
    let inside = text[(place + 1)...].prefix(7)
    guard let end = inside.firstIndex(where: { $0.is(")") }) else { return false }
    return end > place + 1 && text[(place + 1)..<end].allSatisfy { $0.digit != nil }
}

/// A date such as 01.02.2024, or 2024-01-02.
private func isDate(_ values: [Int], _ text: [RedactedCharacter], _ place: Int) -> Bool {
    guard values.count == 8, place + 10 <= text.count else { return false }
    func isSign(_ offset: Int) -> Bool { text[place + offset].is("-./") }
    return (isSign(2) && isSign(5)) || (isSign(4) && isSign(7))
}

/// An address of a machine: IPv4, IPv6, or that of a network card.
/// https://www.rfc-editor.org/rfc/rfc4291#section-2.2
private func machineAddress(_ text: [RedactedCharacter], _ place: Int) -> Int? {
    guard isStart(text, place), text[place].hexadecimal != nil || text[place].is(":") else { return nil }
    if place > 0, text[place - 1].is(".:-") { return nil }
    let limit = min(text.count, place + 45)
    var end = place
    while end < limit, text[end].hexadecimal != nil || text[end].is(".:-") { end += 1 }
    while end > place, text[end - 1].is(".-") || (text[end - 1].is(":") && !(end > place + 1 && text[end - 2].is(":"))) { end -= 1 }
    guard end == text.count || !text[end].isWord else { return nil }
    let word = String(decoding: text[place..<end].map(\.plain), as: UTF8.self)
    if isCard(word) || isVersion6(word) { return end - place }
    // What follows an IPv4 address may be a port.
    let host = word.split(separator: ":", maxSplits: 1)[...].first.map(String.init) ?? ""
    return isVersion4(host) ? host.utf8.count : nil
}

private func isVersion4(_ word: String) -> Bool {
    let parts = word.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts.allSatisfy { (1...3).contains($0.count) && (Int($0).map { (0...255).contains($0) } ?? false) }
}

private func isVersion6(_ word: String) -> Bool {
    var address = in6_addr()
    return word.filter { $0 == ":" }.count >= 2 && word.contains { $0 != ":" } && inet_pton(AF_INET6, word, &address) == 1
}

private func isCard(_ word: String) -> Bool {
    ([":", "-"] as [Character]).contains { sign in
        let parts = word.split(separator: sign, omittingEmptySubsequences: false)
        return parts.count == 6 && parts.allSatisfy { $0.count == 2 && $0.allSatisfy(\.isHexDigit) }
    }
}
