/// A context of the text: positions with equal keys are predicted from the same statistics.
struct Context: Sendable {
    let name: String
    let key: @Sendable (Reading) -> UInt64

    init(_ name: String, _ key: @escaping @Sendable (Reading) -> UInt64) {
        self.name = name
        self.key = key
    }
}

/// All contexts, chosen by experiments on prose and verse in several languages.
let contexts: [Context] = [
    Context("nothing") { _ in 0 },
    Context("last byte") { $0.recent & 0xff },
    Context("last 2 bytes") { $0.recent & 0xffff },
    Context("last 3 bytes") { $0.recent & 0xff_ffff },
    Context("last 4 bytes") { $0.recent & 0xffff_ffff },
    Context("last 5 bytes") { $0.recent & 0xff_ffff_ffff },
    Context("last 6 bytes") { $0.recent & 0xffff_ffff_ffff },
    Context("last 7 bytes") { $0.recent & 0xff_ffff_ffff_ffff },
    Context("last 8 bytes") { $0.recent },

    Context("word, last byte") { hash($0.words.current, $0.recent & 0xff) },
    Context("word, last") { hash($0.words.current, $0.words.last) },
    Context("word, last two") { hash($0.words.current, $0.words.last, $0.words.secondLast) },
    Context("word, second last") { hash($0.words.current, $0.words.secondLast) },
    Context("word, third last") { hash($0.words.current, $0.words.thirdLast) },
    Context("word, gap between it and the last") { hash($0.words.current, $0.words.gap) },
    Context("word, last mark") { hash($0.words.current, UInt64($0.mark)) },
    Context("last word, last 2 bytes") { hash($0.words.last, $0.recent & 0xffff) },

    Context("second last byte") { $0.recent & 0xff00 },
    Context("second and third last byte") { $0.recent & 0xff_ff00 },
    Context("last and third last byte") { $0.recent & 0xff_00ff },
    Context("second to fourth last byte") { $0.recent & 0xffff_ff00 },

    Context("column, last byte") { hash(UInt64($0.lines.column), $0.recent & 0xff) },
    Context("column, length of the line above") { hash(UInt64($0.lines.column), UInt64($0.lines.previousLength)) },
    Context("line's first word, word") { hash($0.lines.first, $0.words.current) },
    Context("first word of the line above, word") { hash($0.lines.previousFirst, $0.words.current) },
    Context("line") { $0.lines.current },

    Context("last 8 kinds, last byte") { hash($0.kinds & 0xffff_ffff, $0.recent & 0xff) },
    Context("last 4 kinds, last 2 bytes") { hash($0.kinds & 0xffff, $0.recent & 0xffff) },
]
