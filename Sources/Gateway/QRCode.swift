/// A QR code of up to 106 bytes: versions 1 to 5, level L, byte mode, which have one block of error correction. ISO/IEC 18004
public struct QRCode: Sendable {
    /// The number of modules of a side.
    public private(set) var size: Int
    /// Row by row; true is dark.
    private var modules: [Bool]
    /// Whether a module belongs to a pattern, and is not data.
    private var isFixed: [Bool]

    /// Code words of data and of error correction, by version from 1.
    private static let capacities = [(19, 7), (34, 10), (55, 15), (80, 20), (108, 26)]

    /// Nil where the text is too long.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        // Twelve bits are mode and length.
        guard let place = Self.capacities.firstIndex(where: { bytes.count <= $0.0 - 2 }) else { return nil }
        let version = place + 1, (dataCount, checkCount) = Self.capacities[place]
        size = 17 + 4 * version
        modules = [Bool](repeating: false, count: size * size)
        isFixed = modules
        drawPatterns(version)
        let data = Self.data(bytes, count: dataCount)
        let words = data + ReedSolomon.check(data, count: checkCount)
        let masked = (0..<8).map { mask in
            var code = self
            code.draw(words, mask)
            code.drawFormat(mask)
            return code
        }
        guard let best = masked.min(by: { $0.penalty < $1.penalty }) else { return nil }
        self = best
    }

    /// Whether a module is dark; those outside are not.
    public subscript(row: Int, column: Int) -> Bool {
        (0..<size).contains(row) && (0..<size).contains(column) && modules[row * size + column]
    }

    /// The code for a terminal, two rows a line, with the quiet zone, dark on light whatever the terminal's colours are.
    public var terminalText: String {
        let quiet = 2
        return stride(from: -quiet, to: size + quiet, by: 2).map { row in
            let line = (-quiet..<size + quiet).map { column -> String in
                switch (self[row, column], self[row + 1, column]) {
                case (false, false): "█"
                case (false, true): "▀"
                case (true, false): "▄"
                case (true, true): " "
                }
            }
            return "\u{1B}[97;40m" + line.joined() + "\u{1B}[0m\n"
        }.joined()
    }

    private mutating func set(_ row: Int, _ column: Int, _ dark: Bool) {
        guard (0..<size).contains(row), (0..<size).contains(column) else { return }
        modules[row * size + column] = dark
        isFixed[row * size + column] = true
    }

    private mutating func drawPatterns(_ version: Int) {
        for index in 0..<size {
            set(6, index, index % 2 == 0)
            set(index, 6, index % 2 == 0)
        }
        for (row, column) in [(3, 3), (3, size - 4), (size - 4, 3)] {
            for y in -4...4 {
                for x in -4...4 {
                    let distance = max(abs(x), abs(y))
                    set(row + y, column + x, distance != 2 && distance != 4)
                }
            }
        }
        if version > 1 {
            for y in -2...2 {
                for x in -2...2 { set(size - 7 + y, size - 7 + x, max(abs(x), abs(y)) != 1) }
            }
        }
        drawFormat(0)  // reserves its place
    }

    /// Draws level and mask, twice, with 10 bits of a BCH code.
    private mutating func drawFormat(_ mask: Int) {
        let level = 0b01
        var rest = level << 3 | mask
        for _ in 0..<10 { rest = rest << 1 ^ (rest >> 9 & 1) * 0x537 }
        let bits = (level << 3 | mask) << 10 | rest & 0x3FF
        let format = bits ^ 0x5412
        func bit(_ index: Int) -> Bool { (format >> index) & 1 == 1 }
        for index in 0..<6 { set(index, 8, bit(index)) }
        set(7, 8, bit(6))
        set(8, 8, bit(7))
        set(8, 7, bit(8))
        for index in 9..<15 { set(8, 14 - index, bit(index)) }
        for index in 0..<8 { set(8, size - 1 - index, bit(index)) }
        for index in 8..<15 { set(size - 15 + index, 8, bit(index)) }
        set(size - 8, 8, true)
    }

    /// Mode, length, bytes, and what fills the code words.
    private static func data(_ bytes: [UInt8], count: Int) -> [UInt8] {
        // After four bits of mode every byte lies across two code words.
        let length = UInt8(bytes.count)
        var nibbles: [UInt8] = [0b0100, length >> 4, length & 15]
        for byte in bytes { nibbles += [byte >> 4, byte & 15] }
        nibbles.append(0)
        var words = stride(from: 0, to: nibbles.count - 1, by: 2).map { nibbles[$0] << 4 | nibbles[$0 + 1] }
        while words.count < count { words.append((words.count - bytes.count) % 2 == 0 ? 0xEC : 0x11) }
        return words
    }

    /// Draws code words in columns of two, from the right, up and down by turns.
    private mutating func draw(_ words: [UInt8], _ mask: Int) {
        var index = 0, isUpward = true, right = size - 1
        while right > 0 {
            if right == 6 { right -= 1 }
            for step in 0..<size {
                let row = isUpward ? size - 1 - step : step
                for column in [right, right - 1] where !isFixed[row * size + column] {
                    let dark = index < 8 * words.count && words[index / 8] >> (7 - index % 8) & 1 == 1
                    modules[row * size + column] = dark != Self.inverts(mask, row, column)
                    index += 1
                }
            }
            isUpward.toggle()
            right -= 2
        }
    }

    private static func inverts(_ mask: Int, _ y: Int, _ x: Int) -> Bool {
        switch mask {
        case 0: (x + y) % 2 == 0
        case 1: y % 2 == 0
        case 2: x % 3 == 0
        case 3: (x + y) % 3 == 0
        case 4: (y / 2 + x / 3) % 2 == 0
        case 5: x * y % 2 + x * y % 3 == 0
        case 6: (x * y % 2 + x * y % 3) % 2 == 0
        default: ((x + y) % 2 + x * y % 3) % 2 == 0
        }
    }

    /// Long runs and blocks of one colour, which are hard to read.
    private var penalty: Int {
        var total = 0
        for first in 0..<size {
            for isRow in [true, false] {
                var run = 0
                for second in 0..<size {
                    let now = isRow ? self[first, second] : self[second, first]
                    let before = second > 0 && (isRow ? self[first, second - 1] : self[second - 1, first])
                    run = second > 0 && now == before ? run + 1 : 1
                    if run == 5 { total += 3 } else if run > 5 { total += 1 }
                }
            }
        }
        for y in 0..<size - 1 {
            for x in 0..<size - 1 where self[y, x] == self[y, x + 1] && self[y, x] == self[y + 1, x] && self[y, x] == self[y + 1, x + 1] {
                total += 3
            }
        }
        return total
    }
}

/// Reed-Solomon codes over the 256 elements with x⁸ = x⁴ + x³ + x² + 1.
enum ReedSolomon {
    static func product(_ a: UInt8, _ b: UInt8) -> UInt8 {
        var result: UInt8 = 0
        for bit in (0..<8).reversed() {
            result = result << 1 ^ (result >> 7) * 0x1D
            result ^= (b >> bit & 1) * a
        }
        return result
    }

    /// The words of error correction: the remainder of data · xⁿ by the product of (x − 2ⁱ), i below n.
    static func check(_ data: [UInt8], count: Int) -> [UInt8] {
        var divisor = [UInt8](repeating: 0, count: count)
        divisor[count - 1] = 1
        var root: UInt8 = 1
        for _ in 0..<count {
            for index in 0..<count {
                divisor[index] = product(divisor[index], root) ^ (index + 1 < count ? divisor[index + 1] : 0)
            }
            root = product(root, 2)
        }
        var rest = [UInt8](repeating: 0, count: count)
        for word in data {
            let factor = word ^ rest[0]
            rest = Array(rest.dropFirst()) + [0]
            for index in 0..<count { rest[index] ^= product(divisor[index], factor) }
        }
        return rest
    }
}
