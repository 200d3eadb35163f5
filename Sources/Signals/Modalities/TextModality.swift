import Statistics
import Tokenization

/// Text as UTF-8 bytes, or as a tokenizer's tokens: a row is a token, the only column the token's id.
public struct TextModality: Modality {
    public static let name = "text"
    public static let formats = ["text/utf-8"]
    public static let version: UInt32 = 2

    /// The settings of the frontend for text.
    public struct Configuration: ModalitySettings {
        /// The longest reading, in bytes.
        public var maximumBytes = 4_096
        /// The directory of a tokenizer's files; empty: tokens are bytes.
        public var tokenizer = ""

        public init() {}

        public var problems: [SettingsError] {
            [.unless("maximumBytes", maximumBytes, in: 1...(1 << 24))].compactMap(\.self)
        }
    }

    private let configuration: Configuration
    private let tokenizer: any Tokenizer

    public init(_ configuration: SignalConfiguration) throws(SettingsError) {
        self.configuration = configuration[Self.self]
        if let problem = self.configuration.problems.first { throw problem }
        do {
            tokenizer = self.configuration.tokenizer.isEmpty ? ByteTokenizer() : try openTokenizer(path: self.configuration.tokenizer)
        } catch {
            throw SettingsError("text.tokenizer", "cannot be used: \(error)")
        }
    }

    public static var interpolates: Bool { false }
    public static var place: SessionPlace { .text }

    public func features(of reading: RawReading) throws(SignalRefusal) -> Features {
        guard reading.format == "text/utf-8" else { throw unknownFormat(reading) }
        let bytes = reading.payload
        guard !bytes.isEmpty else { throw SignalRefusal(.empty, "a text without words") }
        guard bytes.count <= configuration.maximumBytes else {
            throw SignalRefusal(.tooLarge, "\(bytes.count) bytes, at most \(configuration.maximumBytes) (text.maximumBytes)")
        }
        guard String(validating: bytes, as: UTF8.self) != nil else { throw SignalRefusal(.undecodable, "the text is not UTF-8") }
        // The content of a special token is plain text: a reading cannot end a turn or pretend to be another role's.
        let tokens = tokenizer.encodeText(bytes)
        guard !tokens.isEmpty else { throw SignalRefusal(.empty, "the tokenizer has no token for any of the text") }
        return Features(modality: Self.name, version: Self.version, rows: tokens.count, columns: 1, values: tokens.map(Float.init))
    }
}

extension SignalConfiguration {
    /// The settings of text.
    public var text: TextModality.Configuration {
        get { self[TextModality.self] }
        set { self[TextModality.self] = newValue }
    }
}
