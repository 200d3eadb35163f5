/// A small context by which a mixer selects one of its sets of weights.
struct WeightSelector: Sendable {
    let name: String
    /// The number of sets of weights, for each of a byte's eight bits.
    let choices: Int
    /// Returns the index of a set.
    /// - Parameters:
    ///   - reading: the text so far.
    ///   - seen: the number of contexts that had been seen before.
    ///   - match: the longest match.
    let select: @Sendable (_ reading: Reading, _ seen: Int, _ match: Match) -> Int
}

/// The selectors of all mixers, one mixer for each. Together they reduce the code length of the first 150 kB of three texts by 1 %.
let weightSelectors: [WeightSelector] = [
    WeightSelector(name: "bits of this byte", choices: 32) { reading, _, _ in reading.partial >> 3 },
    WeightSelector(name: "length of the match", choices: Match.lengths) { _, _, match in match.lengthClass },
    WeightSelector(name: "last byte", choices: 256) { reading, _, _ in Int(reading.recent & 0xff) },
    WeightSelector(name: "contexts seen before", choices: contexts.count + 1) { _, seen, _ in seen },
    WeightSelector(name: "second last byte", choices: 256) { reading, _, _ in Int(reading.recent >> 8 & 0xff) },
    WeightSelector(name: "length of the word, last kind", choices: 256) { reading, _, _ in
        min(reading.words.length, 15) << 4 | Int(reading.kinds & 15)
    },
    WeightSelector(name: "column", choices: 128) { reading, _, _ in min(reading.lines.column, 127) },
    WeightSelector(name: "byte expected by the match", choices: 256) { reading, _, match in
        match.agrees(with: reading) ? Int(match.expected) : 0
    },
    WeightSelector(name: "last two kinds", choices: 256) { reading, _, _ in Int(reading.kinds & 0xff) },
    WeightSelector(name: "word", choices: 256) { reading, _, _ in Int(reading.words.current >> 24 & 0xff) },
    WeightSelector(name: "last two bytes", choices: 1024) { reading, _, _ in Int(hash(reading.recent & 0xffff, 7) & 1023) },
    WeightSelector(name: "third last byte", choices: 256) { reading, _, _ in Int(reading.recent >> 16 & 0xff) },
    WeightSelector(name: "all bits of this byte", choices: 256) { reading, _, _ in reading.partial },
]
