/// A view of the moment by which a mixer chooses its weights: whom to trust depends on where we are.
struct View: Sendable {
    let name: String
    /// How many things there are to see, at each of a byte's eight bits.
    let choices: Int
    /// - Parameters:
    ///   - seen: how many contexts had been seen before.
    ///   - match: the longest match.
    let look: @Sendable (_ reading: Reading, _ seen: Int, _ match: Match) -> Int
}

/// The mixers' views; a new one is a line. Together they are worth 1 % on the first 150 kB of three texts.
let views: [View] = [
    View(name: "bits of this byte", choices: 32) { reading, _, _ in reading.partial >> 3 },
    View(name: "length of the match", choices: Match.lengths) { _, _, match in match.lengthClass },
    View(name: "last byte", choices: 256) { reading, _, _ in Int(reading.recent & 0xff) },
    View(name: "contexts seen before", choices: contexts.count + 1) { _, seen, _ in seen },
    View(name: "second last byte", choices: 256) { reading, _, _ in Int(reading.recent >> 8 & 0xff) },
    View(name: "length of the word, last kind", choices: 256) { reading, _, _ in
        min(reading.words.length, 15) << 4 | Int(reading.kinds & 15)
    },
    View(name: "column", choices: 128) { reading, _, _ in min(reading.lines.column, 127) },
    View(name: "byte expected by the match", choices: 256) { reading, _, match in match.agrees(with: reading) ? Int(match.expected) : 0 },
    View(name: "last two kinds", choices: 256) { reading, _, _ in Int(reading.kinds & 0xff) },
    View(name: "word", choices: 256) { reading, _, _ in Int(reading.words.current >> 24 & 0xff) },
]
