import Model
import OnlineLanguage
import Tensors
import Tokenization

/// A language model follows visits to a doctor as they are spoken: it predicts some tokens, then learns them by adapters and a memory of
/// what was said; the same model, frozen, beside it. Both see what was said before in the same visit.
///
/// It reads and predicts; it gives no diagnosis and no advice.
public final class VisitFollower {
    /// How often names are said, and what they cost in bits: of the learning model and of the frozen one.
    public struct Names: Sendable, Equatable {
        public var count = 0
        public var learned = 0.0, frozen = 0.0
    }

    /// What a visit's dialogue cost in bits: of the learning model, without its memory, and of the frozen one; and its length.
    public struct Course: Sendable, Equatable {
        public var learned = 0.0, withoutMemory = 0.0, frozen = 0.0
        public var bytes = 0
        /// Names of drugs and persons as they are said for the first time in the visit, and every time after that.
        public var firstNames = Names(), laterNames = Names()
    }

    /// Settings for visits: adapters learn. Where no projections are named they are beside all of them.
    public static let settings: TokenLearner.Configuration = {
        var settings = TokenLearner.Configuration()
        (settings.scope, settings.rate) = ("lora", 1)
        return settings
    }()

    private let model: TrunkModel
    private let tokenizer: any Tokenizer
    private let start: Int?
    private let settings: TokenLearner.Configuration
    private let isPrivate: Bool
    private let team: Team
    private let frozen: TokenLearner
    private var learner: TokenLearner

    /// The visits followed so far.
    public private(set) var courses: [Course] = []

    /// - Parameters:
    ///   - path: a Hugging Face directory or a GGUF file.
    ///   - settings: how visits are learned; only adapters learn.
    ///   - isPrivate: whether each visit begins with the model as it is in the file, so that nothing of a visit reaches another.
    ///   - team: the threads that compute.
    /// - Throws: `SettingsError`, or the error of opening a file.
    public init(
        path: String, _ settings: TokenLearner.Configuration = VisitFollower.settings, isPrivate: Bool = false, team: Team = .solo
    ) throws {
        try settings.validate()
        let files = try TrunkFiles(path: path), learnsAdapters = settings.scope == "lora"
        model = try files.model(frozen: learnsAdapters ? files.frozen(files.isGGUF ? .stored : .int8) : [:])
        tokenizer = try openTokenizer(path: path)
        let size = model.trunk.vocabularySize
        start = tokenizer.endOfText.flatMap { $0 < size ? $0 : nil }
        var settings = settings
        if settings.targets.isEmpty { settings.targets = model.trunk.projections }
        (self.settings, self.isPrivate, self.team) = (settings, isPrivate, team)
        frozen = TokenLearner(model.trunk, parameters: model.parameters, start: start, settings, learning: false, team: team)
        learner = Self.learner(model, start, settings, team)
    }

    private static func learner(_ model: TrunkModel, _ start: Int?, _ settings: TokenLearner.Configuration, _ team: Team) -> TokenLearner {
        // Other scopes than adapters change the parameters that they are given.
        let parameters = settings.scope == "lora" ? model.parameters : model.parameters.copy()
        return TokenLearner(model.trunk, parameters: parameters, start: start, settings, team: team)
    }

    /// Follows a visit's dialogue.
    /// - Throws: `TokenLearner.Refusal` or `TokenizationError`.
    public func follow(_ visit: RecordedVisit) throws {
        if isPrivate, !courses.isEmpty { learner = Self.learner(model, start, settings, team) }
        learner.beginText()
        frozen.beginText()
        let tokens = tokenizer.encodeText(Array(visit.dialogue.utf8))
        var course = Course(), learned: [Double] = [], unlearned: [Double] = []
        for place in stride(from: 0, to: tokens.count, by: learner.fresh) {
            let next = tokens[place..<min(place + learner.fresh, tokens.count)]
            let reading = try learner.read(next)
            course.withoutMemory += reading.bitsWithoutMemory
            learned += reading.tokens
            unlearned += try frozen.read(next).tokens
        }
        (course.learned, course.frozen, course.bytes) = (learned.reduce(0, +), unlearned.reduce(0, +), visit.dialogue.utf8.count)
        try count(names: VisitNames(visit), learned, unlearned, try lengths(of: tokens), &course)
        courses.append(course)
    }

    private func lengths(of tokens: [Int]) throws -> [Int] { try tokens.map { try tokenizer.decode([$0]).count } }

    /// Adds the costs of names: of all tokens that have a byte of the name.
    private func count(
        names: VisitNames, _ learned: [Double], _ frozen: [Double], _ lengths: [Int], _ course: inout Course
    ) throws {
        var said: Set<String> = [], token = 0, end = 0
        for mention in names.mentions {
            // The first token that ends after the name begins.
            while token < lengths.count, end + lengths[token] <= mention.bytes.lowerBound {
                end += lengths[token]
                token += 1
            }
            var cost = Names(count: 1), next = token, begin = end
            while next < lengths.count, begin < mention.bytes.upperBound {
                cost.learned += learned[next]
                cost.frozen += frozen[next]
                begin += lengths[next]
                next += 1
            }
            if said.insert(mention.name).inserted { course.firstNames.add(cost) } else { course.laterNames.add(cost) }
        }
    }
}

extension VisitFollower.Names {
    mutating func add(_ other: Self) {
        count += other.count
        learned += other.learned
        frozen += other.frozen
    }
}
