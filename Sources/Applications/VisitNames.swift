/// Where a visit's dialogue names drugs and persons.
///
/// A drug is a word that ends like an international nonproprietary name. A person is a name that the visit's note has after a title, or
/// before `is a`, as in `Martha Collins is a 50-year-old woman`; names that are words too, such as Brown, count wherever they are said.
/// Source of the endings: WHO, The use of stems in the selection of international nonproprietary names for pharmaceutical substances.
struct VisitNames {
    /// A name that is said, in lower case, and where.
    struct Mention: Equatable {
        var name: String
        var bytes: Range<Int>
    }

    /// Every time that a name is said, in order.
    private(set) var mentions: [Mention] = []

    private static let stems = [
        "pril", "sartan", "olol", "statin", "azole", "cillin", "mycin", "dipine", "formin", "gliptin", "floxacin", "thiazide", "semide",
        "tidine", "triptan", "setron", "caine", "cycline", "profen", "sone", "olone", "azepam", "zolam", "oxetine", "traline", "pram",
        "gabalin", "pentin", "xaban", "lukast", "buterol", "meterol", "gliflozin", "glutide", "fenac", "oxicam", "coxib", "codone",
        "morphone", "ciclovir", "dronate", "steride", "trexate", "platin", "rubicin", "carvedilol", "parin", "vudine",
    ]
    private static let titles: Set<String> = ["mr", "mrs", "ms", "miss", "dr"]
    /// The least number of letters that a drug's name has before its ending, and of a person's name.
    private static let letters = (beforeEnding: 2, ofPersons: 3)

    init(_ visit: RecordedVisit) {
        let persons = Self.persons(in: visit.note)
        for word in Self.words(of: visit.dialogue) where persons.contains(word.text) || Self.isDrug(word.text) {
            mentions.append(Mention(name: word.text, bytes: word.bytes))
        }
    }

    private static func isDrug(_ word: String) -> Bool {
        stems.contains { word.hasSuffix($0) && (word.utf8.count >= $0.utf8.count + letters.beforeEnding || word == $0) }
    }

    private static func persons(in note: String) -> Set<String> {
        let words = words(of: note)
        var persons: Set<String> = []
        func add(_ place: Int) {
            guard words.indices.contains(place), words[place].isCapitalized, words[place].text.count >= letters.ofPersons else { return }
            persons.insert(words[place].text)
        }
        for place in words.indices {
            if words[place].isCapitalized, titles.contains(words[place].text) { add(place + 1) }
            let isIntroduced =
                place >= 2 && place + 1 < words.count && words[place].text == "is" && ["a", "an"].contains(words[place + 1].text)
            guard isIntroduced, words[place - 1].isCapitalized, words[place - 2].isCapitalized else { continue }
            for name in [place - 2, place - 1] where !titles.contains(words[name].text) { add(name) }
        }
        return persons
    }

    private struct Word {
        var text: String
        var isCapitalized: Bool
        var bytes: Range<Int>
    }

    /// Runs of letters of ASCII, in lower case.
    private static func words(of text: String) -> [Word] {
        var words: [Word] = [], start: Int?
        let bytes = Array(text.utf8)
        for place in 0...bytes.count {
            let isLetter = place < bytes.count && (bytes[place] | 32) >= UInt8(ascii: "a") && (bytes[place] | 32) <= UInt8(ascii: "z")
            if isLetter {
                start = start ?? place
            } else if let first = start {
                let run = bytes[first..<place]
                words.append(
                    Word(
                        text: String(decoding: run.map { $0 | 32 }, as: UTF8.self), isCapitalized: bytes[first] & 32 == 0,
                        bytes: first..<place))
                start = nil
            }
        }
        return words
    }
}
