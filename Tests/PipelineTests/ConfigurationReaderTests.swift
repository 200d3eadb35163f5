import Pipeline
import Statistics
import StrictJSON
import Testing

struct ConfigurationReaderTests {
    private enum Pace: String, Choice { case slow, steady, fast }

    private struct Part: Codable, Equatable {
        var name = "one"
        var count: Int?
    }

    private struct Plan: Codable, Equatable {
        var mode = Mode.live
        var pace = Pace.slow
        var seed = 1
        var rate = 0.5
        var isOn = true
        var name = ""
        var parts = [Part()]
        var words: [String] = []
        var more: JSON = .object([:])
    }

    private func problems(_ yaml: String, overrides: [String] = []) -> [String] {
        do {
            _ = try ConfigurationReader(defaults: Plan()).read(file: ("c.yaml", yaml), overrides: overrides)
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    private func plan(_ yaml: String) throws -> Plan { try ConfigurationReader(defaults: Plan()).read(file: ("c.yaml", yaml)).settings }

    @Test func anUnknownChoiceIsReportedWithItsLineAndTheKnownOnes() {
        #expect(problems("mode: batch\n") == ["c.yaml:1: mode: 'batch' is neither live nor lockstep"])
        #expect(problems("\n\npace: quick\n") == ["c.yaml:3: pace: 'quick' is none of slow, steady, fast"])
        #expect(problems("", overrides: ["mode=Live"]) == ["command line: mode: 'Live' is neither live nor lockstep"])
    }

    @Test(arguments: [
        ("010", ": YAML 1.1 reads it as 8, YAML 1.2 as 10; write the one that is meant without the leading zero"),
        ("-017", ": YAML 1.1 reads it as 15, YAML 1.2 as 17; write the one that is meant without the leading zero"),
        ("08", ": a number has no leading zeros"), ("0o10", ": write the number in decimal"), ("0x10", ": write the number in decimal"),
        ("0b11", ": write the number in decimal"), ("1_000", ": write the number without underscores"),
        ("1:30", ": YAML 1.1 reads it in base 60; write the number in decimal"), ("1.0", ""), ("1e3", ""), ("1.5", ""), ("yes", ""),
        (".inf", ": it must be finite"), (".nan", ": it must be finite"), ("9223372036854775808", ": it does not fit into 64 bits"),
        ("-9223372036854775809", ": it does not fit into 64 bits"), ("1 2", ""), ("0x", ""), ("--1", ""),
    ])
    func aWholeNumberIsWrittenInOneWay(text: String, reason: String) {
        #expect(problems("seed: \(text)\n") == ["c.yaml:1: seed wants a whole number, not '\(text)'\(reason)"])
    }

    @Test func wholeNumbersAreTakenToTheEndsOfTheirRange() throws {
        for (text, value) in [("0", 0), ("-0", 0), ("+7", 7), ("9223372036854775807", Int.max), ("-9223372036854775808", Int.min)] {
            #expect(try plan("seed: \(text)\n").seed == value, "\(text)")
        }
    }

    @Test(arguments: [
        ("1e400", ": it is larger than any 64-bit number"), ("-1e400", ": it is larger than any 64-bit number"),
        ("1e-400", ": it is smaller than any 64-bit number"), (".inf", ": it must be finite"), ("-.inf", ": it must be finite"),
        (".NaN", ": it must be finite"), ("inf", ": it must be finite"), ("1_0.5", ": write the number without underscores"),
        ("1:30.5", ": YAML 1.1 reads it in base 60; write the number in decimal"), ("00.5", ": a number has no leading zeros"),
        ("010", ": YAML 1.1 reads it as 8, YAML 1.2 as 10; write the one that is meant without the leading zero"),
        ("0x1p3", ""), ("1,5", ""), ("1e", ""), (".", ""),
    ])
    func aNumberIsFiniteAndDecimal(text: String, reason: String) {
        #expect(problems("rate: \(text)\n") == ["c.yaml:1: rate wants a number, not '\(text)'\(reason)"])
    }

    @Test func numbersAreTakenInEveryPlainForm() throws {
        for (text, value) in [
            ("1", 1.0), ("1.", 1), (".5", 0.5), ("+1.5", 1.5), ("-2e3", -2000), ("1E-2", 0.01),
            ("1.7976931348623157e308", 1.7976931348623157e308), ("0e-999", 0),
        ] {
            #expect(try plan("rate: \(text)\n").rate == value, "\(text)")
        }
    }

    @Test func onlyTrueAndFalseAreTrueAndFalse() throws {
        for text in ["yes", "No", "on", "OFF", "y", "n"] {
            #expect(
                problems("isOn: \(text)\n") == [
                    "c.yaml:1: isOn wants true or false, not '\(text)': YAML 1.1 and 1.2 differ on it; write true or false"
                ])
        }
        #expect(problems("isOn: 1\n") == ["c.yaml:1: isOn wants true or false, not '1'"])
        #expect(problems("isOn: 'true'\n") == ["c.yaml:1: isOn wants true or false, not the text 'true'"])
        #expect(try !plan("isOn: False\n").isOn)
    }

    @Test func nullIsRefusedAndAQuotedNumberIsAText() throws {
        for text in ["", "~", "null", "NULL"] {
            #expect(problems("name: \(text)\n") == ["c.yaml:1: name wants a text, not null; an empty text is \"\""])
            #expect(problems("seed: \(text)\n") == ["c.yaml:1: seed wants a whole number, not null"])
            #expect(problems("parts: \(text)\n") == ["c.yaml:1: parts wants a list, not null; an empty list is []"])
        }
        #expect(problems("seed: \"5\"\n") == ["c.yaml:1: seed wants a whole number, not the text '5'"])
        #expect(try plan("name: '~'\n").name == "~")
        #expect(try plan("name: yes\n").name == "yes")
        #expect(try plan("name: 010\n").name == "010")
        #expect(try ConfigurationReader(defaults: Plan()).read(overrides: ["name="]).settings.name == "")
    }

    @Test func keysAndValuesInListsAreChecked() throws {
        #expect(
            problems("seed: 2\nparts:\n  - {name: a, count: 010}\n") == [
                "c.yaml:3: parts[0].count wants a number, not '010': YAML 1.1 reads it as 8, YAML 1.2 as 10; "
                    + "write the one that is meant without the leading zero"
            ])
        #expect(problems("parts:\n  - name: a\n  - name: b\n    cuont: 2\n") == ["c.yaml:4: unknown key parts[1].cuont"])
        #expect(problems("parts: [{name: a, nmae: b}]\n") == ["c.yaml:1: unknown key parts[0].nmae; did you mean name?"])
        #expect(problems("parts: [{name: a}, {count: 2}]\n") == ["c.yaml:1: parts[1] wants the key name"])
        #expect(problems("parts: [{name: a, count: many}]\n") == ["c.yaml:1: parts[0].count wants a whole number, not 'many'"])
        #expect(problems("parts: [{name: a, count: ~}]\n") == ["c.yaml:1: parts[0].count wants a value, not null"])
        #expect(problems("parts: 5\n") == ["c.yaml:1: parts[0] wants keys and values, not '5'"])
        #expect(problems("words: {a: b}\n") == ["c.yaml:1: words wants a list, not '{a: b}'"])
        #expect(try plan("words: a\n").words == ["a"])
    }

    @Test func ambiguousValuesInOpenMappingsAreRefused() throws {
        #expect(problems("more:\n  a: 010\n").count == 1)
        #expect(
            problems("more: {a: yes}\n") == [
                "c.yaml:1: more.a wants true or false, not 'yes': YAML 1.1 and 1.2 differ on it; write true or false"
            ])
        #expect(problems("more: {a: .inf}\n").count == 1)
        #expect(
            try plan("more: {a: 2, b: 0.5, c: x, d: true, e: [1, 2.5]}\n").more == [
                "a": 2, "b": 0.5, "c": "x", "d": true, "e": [1, 2.5],
            ])
    }

    @Test func aFileThatIsNoConfigurationIsReportedWithItsLine() {
        #expect(
            problems("seed: 1\nseed: 2\n") == ["c.yaml:1: seed is given twice"]
                || problems("seed: 1\nseed: 2\n") == ["c.yaml:2: seed is given twice"])
        #expect(problems("seed: 1\n\trate: 2\n").allSatisfy { $0.hasPrefix("c.yaml:2: not YAML: ") })
        #expect(problems(String(repeating: "[", count: 400_000)) == ["c.yaml:1: nests too deep for a configuration"])
        #expect(problems(String(repeating: "- ", count: 400_000)) == ["c.yaml:1: nests too deep for a configuration"])
        #expect(
            problems("", overrides: ["more=" + String(repeating: "{a: ", count: 20_000)]) == [
                "command line: more nests too deep for a configuration"
            ])
        let aliases = (1...30).map { "a\($0): &a\($0) [*a\($0 - 1), *a\($0 - 1)]" }.joined(separator: "\n")
        #expect(
            problems("a0: &a0 [x]\n" + aliases) == ["c.yaml:1: has more than 100000 values, those that aliases repeat counted each time"])
        #expect(problems("--- \nseed: 1\n--- \nseed: 2\n").count == 1)
        #expect(problems("- 1\n") == ["c.yaml:1: the file wants keys and values, not '[1]'"])
        #expect(problems("\u{feff}seed: 2\r\nrate: 1\r\n") == [])
    }

    @Test func anUnknownChoiceOfAnOptimiserIsReportedWithTheKnownOnes() {
        #expect(throws: SettingsError("mode", "'sideways' is none of up, down, both")) {
            try PageHinkley.Configuration(["mode": "sideways"])
        }
    }
}
