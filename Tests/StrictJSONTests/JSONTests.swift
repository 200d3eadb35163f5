import Foundation
import StrictJSON
import Testing

@Test func aDocumentIsReadWhole() throws {
    let text = #" { "a": [1, -2.5e1, true, null], "b": {"é\n\u0041\uD83D\uDC08": "🐈"}, "": 0 } "#
    #expect(
        try JSON(parsing: text.utf8)
            == .object([
                "a": .array([.integer(1), .number(-25), .bool(true), .null]), "b": .object(["é\nA🐈": .string("🐈")]), "": .integer(0),
            ]))
}

@Test func whatIsWrittenReadsBack() throws {
    let value: JSON = .object([
        "text": .string("\"\\\n\u{1}\u{1F}/ ü"), "numbers": .array([.integer(.min), .number(1e-8), .number(0.1)]), "none": .array([]),
    ])
    #expect(try JSON(parsing: value.text().utf8) == value)
    #expect(try JSON(parsing: value.text(indent: 2).utf8) == value)
    #expect(JSON.object(["b": .integer(1), "a": .null]).text(indent: 2) == "{\n  \"a\": null,\n  \"b\": 1\n}")
}

@Test(arguments: [
    ("{\"a\":1,\"a\":2}", 7, "the key \"a\" is given twice"), ("[1,]", 3, "a digit was expected"),
    ("{\"a\":1,}", 7, "a string was expected"),
    ("[01]", 2, "a comma or ] was expected"), ("[1", 2, "a comma or ] was expected"), ("\"\\uD800\"", 7, "half of a surrogate pair"),
    ("\"a\nb\"", 2, "a control character in a string"), ("\"ab", 3, "a string without its end"), ("1 2", 2, "something follows the value"),
    ("1e999", 0, "a number too large for a double"), ("tru", 0, "true or false was expected"),
    ("", 0, "the text ends where a value was expected"),
])
func brokenTextIsRefusedWithItsPlace(text: String, offset: Int, problem: String) {
    #expect(throws: JSONError(offset: offset, problem: problem)) { try JSON(parsing: text.utf8) }
}

@Test func nestingIsBounded() throws {
    let deep = JSONScanner.maximumDepth
    _ = try JSON(parsing: (String(repeating: "[", count: deep) + String(repeating: "]", count: deep)).utf8)
    #expect(throws: JSONError.self) { try JSON(parsing: String(repeating: "[", count: 100_000).utf8) }
}

@Test func stringsMustBeUTF8() {
    #expect(throws: JSONError(offset: 1, problem: "a string that is not UTF-8")) { try JSON(parsing: [0x22, 0xC3, 0x22]) }
}

@Test func canonicallyEqualKeysAreTwoKeys() throws {
    var keys = 0
    try JSONScanner.read("{\"é\":0,\"e\u{301}\":1}".utf8) { scanner in
        try scanner.object { _, scanner in
            try scanner.skip()
            keys += 1
        }
    }
    #expect(keys == 2)
}

@Test func everyCoderStoresAValueAsItIs() throws {
    let value: JSON = [
        "none": .null, "yes": true, "count": .integer(.max), "half": 0.5, "path": "a/b", "many": [1, "2", []], "inner": ["x": -3],
    ]
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let data = try encoder.encode(value)
    #expect(
        String(decoding: data, as: UTF8.self)
            == #"{"count":9223372036854775807,"half":0.5,"inner":{"x":-3},"many":[1,"2",[]],"none":null,"path":"a\/b","yes":true}"#)
    #expect(try JSONDecoder().decode(JSON.self, from: data) == value)
}

@Test func aDescriptionIsShortTextAndKnowsWhatJSONCannotSay() {
    #expect(JSON.object(["b": .number(2), "a": .string("x/y")]).description == #"{"a":"x/y","b":2}"#)
    #expect(JSON.number(.nan).description == "a number that JSON cannot represent")
}
