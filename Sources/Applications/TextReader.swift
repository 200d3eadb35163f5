import Model
import Tensors
import Tokenization

/// What a frozen language model makes of texts: the mean over a text's tokens of what some of its blocks read.
/// It has one owner: it is not `Sendable`.
public final class TextReader {
    private let tokenizer: any Tokenizer
    private let decoder: TextDecoder
    private let readings: BlockReadings
    private let turns: TurnTokens
    private let limit: Int

    /// Depths of the blocks, as parts of the model's.
    private static let depths = [0.4, 0.6, 0.8]

    /// - Parameters:
    ///   - path: a Hugging Face directory or a GGUF file.
    ///   - limit: the maximal number of tokens of a text that are read, its first ones.
    ///   - team: the threads that compute.
    /// - Throws: the error of opening a file.
    public init(path: String, limit: Int, team: Team = .solo) throws {
        let files = try TrunkFiles(path: path)
        tokenizer = try openTokenizer(path: path)
        turns = try TurnTokens(path: path, tokenizer: tokenizer, vocabularySize: files.trunk.vocabularySize)
        let model = try files.model(frozen: files.frozen(files.isGGUF ? .stored : .int8))
        self.limit = min(limit, model.trunk.positions - turns.opening.count)
        decoder = TextDecoder(model, contextLimit: turns.opening.count + self.limit, team: team)
        let layers = model.trunk.layers
        let blocks = Set(Self.depths.map { min(layers - 1, Int($0 * Double(layers))) }).sorted()
        readings = BlockReadings(of: decoder, blocks: blocks)
    }

    /// The number of vectors of a text.
    public var vectors: Int { readings.blocks.count }

    /// The vectors of a text, which is read as the user's turn of the model's chat format.
    public func read(_ text: String) -> [[Float]] {
        decoder.forget(0)
        readings.clear()
        decoder.read(turns.opening, stream: 0)
        decoder.read(tokenizer.encodeText(Array(text.utf8)).prefix(limit), stream: 0, observing: readings)
        return readings.blocks.map { readings.mean(of: $0) }
    }
}
