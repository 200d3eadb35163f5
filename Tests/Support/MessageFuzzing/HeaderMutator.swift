import Statistics

/// Changes encoded messages without knowing their type: replaces numbers by extreme ones and texts by others; removes, repeats or swaps
/// fields; flips bits.  https://protobuf.dev/programming-guides/encoding/
public struct HeaderMutator: Sendable {
    public var random: RandomSource

    public init(seed: UInt64) { random = RandomSource(seed: seed) }

    private struct Field {
        var tag: UInt64
        /// The bytes after the tag, including the length if there is one.
        var value: [UInt8]
        var isMessage: Bool { tag & 7 == 2 }
    }

    /// The message with one random change.
    public mutating func mutate(_ message: [UInt8]) -> [UInt8] {
        if chance(0.1) { return damage(message) }
        guard var fields = Self.fields(of: message), !fields.isEmpty else { return damage(message) }
        let place = random.uniform(below: fields.count)
        switch random.uniform(below: 12) {
        case 0: fields.remove(at: place)
        case 1: fields.append(fields[place])
        case 2: fields.swapAt(place, random.uniform(below: fields.count))
        default: fields[place].value = other(than: fields[place])
        }
        return fields.flatMap { Self.varint($0.tag) + $0.value }
    }

    private mutating func other(than field: Field) -> [UInt8] {
        switch field.tag & 7 {
        case 0: return Self.varint(number())
        case 1: return withUnsafeBytes(of: chance(0.5) ? number() : double().bitPattern) { Array($0) }
        case 5: return withUnsafeBytes(of: chance(0.5) ? UInt32(truncatingIfNeeded: number()) : Float(double()).bitPattern) { Array($0) }
        default:
            var place = 0
            guard let length = Self.varint(in: field.value, at: &place) else { return field.value }
            let content = Array(field.value[place..<min(field.value.count, place + Int(clamping: length))])
            let changed = chance(0.7) ? mutate(content) : Array(text().utf8)
            return Self.varint(UInt64(changed.count)) + changed
        }
    }

    /// Bytes with flipped bits, truncated, or with inserted bytes.
    public mutating func damage(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0...random.uniform(below: 4) {
            let place = bytes.isEmpty ? 0 : random.uniform(below: bytes.count)
            switch random.uniform(below: 4) {
            case 0 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8(random.uniform(below: 8))
            case 1 where !bytes.isEmpty: bytes.removeSubrange(place...)
            case 2: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
            default: bytes.insert(contentsOf: [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], at: place)
            }
        }
        return bytes
    }

    // MARK: Values

    public mutating func chance(_ probability: Double) -> Bool { random.uniform() < probability }

    public mutating func any<Item>(of items: [Item]) -> Item { items[random.uniform(below: items.count)] }

    /// The bits of a number: small, at the limits of a type, or random.
    public mutating func number() -> UInt64 {
        let ends: [UInt64] = [
            0, 1, 2, 3, 7, 64, 255, 1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 32, 1 << 52, 1 << 53, 1 << 62, 1 << 63, (1 << 63) - 1, .max,
            .max - 1,
        ]
        switch random.uniform(below: 4) {
        case 0: return random.next()
        case 1: return random.next() >> UInt64(random.uniform(below: 64))
        default: return any(of: ends)
        }
    }

    public mutating func double() -> Double {
        let ends = [
            0, -0.0, 1, -1, 0.5, 1e-300, 1e30, -1e30, 1e38, 1e39, 1e300, -1e300, 1e308, -1e308, .nan, .infinity, -.infinity,
            .leastNonzeroMagnitude,
        ]
        return chance(0.3) ? random.normal() : any(of: ends)
    }

    public mutating func text() -> String {
        switch random.uniform(below: 8) {
        case 0: ""
        case 1: String(repeating: "x", count: any(of: [63, 64, 65, 159, 160, 161, 4_096, 70_000]))
        case 2: any(of: ["\n", "\u{1B}[2J", "a b", "a/b", "a.b", "\u{0}", "ä", "…\u{202E}", "-", "_end", "*"])
        case 3: "\(number())"
        case 4: "\(any(of: ["a", "b", "kitchen"]))/\(Int64(bitPattern: number()))"
        case 5: "\(any(of: ["a", "b"]))/\(number())/\(String(number(), radix: 16))"
        default:
            any(of: [
                "a", "b", "kitchen", "unix", "monotonic", "text", "image", "audio", "vector", "text/utf-8", "vector/f32le", "image/png",
            ])
        }
    }

    /// Payload frames with one random change.
    public mutating func mutate(payload frames: [[UInt8]]) -> [[UInt8]] {
        var frames = frames
        switch random.uniform(below: 6) {
        case 0 where !frames.isEmpty: frames.removeLast()
        case 1: frames.append(frames.last ?? [])
        case 2 where !frames.isEmpty: frames[random.uniform(below: frames.count)] = []
        case 3 where !frames.isEmpty:
            let place = random.uniform(below: frames.count)
            frames[place] = damage(frames[place])
        case 4 where !frames.isEmpty:
            let place = random.uniform(below: frames.count), value = withUnsafeBytes(of: Float(double()).bitPattern) { Array($0) }
            let start = frames[place].count / 4 > 0 ? 4 * random.uniform(below: frames[place].count / 4) : 0
            if frames[place].count >= 4 { frames[place].replaceSubrange(start..<start + 4, with: value) }
        default: break
        }
        return frames
    }

    // MARK: The encoding

    private static func varint(_ number: UInt64) -> [UInt8] {
        var rest = number, bytes: [UInt8] = []
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    private static func varint(in bytes: [UInt8], at place: inout Int) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard place < bytes.count else { return nil }
            let byte = bytes[place]
            place += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }

    /// The fields of a message; nil if the bytes are not a message.
    private static func fields(of message: [UInt8]) -> [Field]? {
        var fields: [Field] = [], place = 0
        while place < message.count {
            guard let tag = varint(in: message, at: &place) else { return nil }
            let start = place
            switch tag & 7 {
            case 0: guard varint(in: message, at: &place) != nil else { return nil }
            case 1: place += 8
            case 2:
                guard let length = varint(in: message, at: &place), length <= UInt64(message.count - place) else { return nil }
                place += Int(length)
            case 5: place += 4
            default: return nil
            }
            guard place <= message.count, tag >> 3 > 0 else { return nil }
            fields.append(Field(tag: tag, value: Array(message[start..<place])))
        }
        return fields
    }
}
