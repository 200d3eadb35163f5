import Privacy
import Testing

struct RedactorTests {
    private func redactor(_ rules: [String] = redactionRules.map(\.key), patterns: [String] = [], names: [String] = []) throws -> Redactor {
        var settings = PrivacySettings()
        (settings.redact, settings.patterns, settings.names) = (rules, patterns, names)
        #expect(settings.problems == [])
        return try #require(Redactor(settings))
    }

    /// What people write and say, with what has to go.
    private static let fixture: [String: [String]] = [
        "email": [
            "ada@example.org", "Ada.Lovelace+maths@sub.example.co.uk", "o'brien_7@ex-ample.io", "ADA@EXAMPLE.ORG", "émile@exemple.fr",
            "a@b.de", "x%y@host.museum", "first.last@2020.example.net", "ada＠example.org", "j-d@example.travel",
        ],
        "iban": [
            "DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "GB29 NWBK 6016 1331 9268 19", "fr1420041010050500013M02606",
            "NL91-ABNA-0417-1643-00", "NO9386011117947", "CH93 0076 2011 6238 5295 7", "MT84MALT011000012345MTLCAST001S",
        ],
        "card": [
            "4111 1111 1111 1111", "4111111111111111", "5500-0000-0000-0004", "3400 000000 00009", "6011000000000004",
            "4111–1111–1111–1111", "３０５６９３０９０２５９０４", "4222222222222",
        ],
        "address": [
            "192.168.0.17", "10.0.0.1", "8.8.8.8", "2001:db8::8a2e:370:7334", "fe80::1", "::1", "00:1B:44:11:3A:B7", "00-1b-44-11-3a-b7",
            "2001:0db8:0000:0000:0000:ff00:0042:8329",
        ],
        "telephone": [
            "+44 20 7946 0018", "+1 (415) 555-2671", "(030) 901820", "030/90 18 20", "0049 30 901820", "555-0123", "415-555-2671",
            "1-800-555-0199", "+49-170-1234567", "4155552671", "020 7946 0018", "+33.1.42.68.53.00", "0170 1234567", "٠١٧٠ ١٢٣٤٥٦٧",
        ],
    ]

    /// Recall on the fixture, in the middle of a sentence, at its beginning and at its end.
    @Test(arguments: ["email", "iban", "card", "address", "telephone"])
    func whatIsPrivateIsTakenOut(_ rule: String) throws {
        var redactor = try redactor()
        let examples = try #require(Self.fixture[rule])
        for example in examples {
            for (before, after) in [("Please use ", " for this."), ("", ""), ("Ask (", ")."), ("mine: ", ", thanks"), ("“", "”")] {
                let text = redactor.redact(before + example + after)
                #expect(text == "\(before)[\(rule)]\(after)", "\(example): \(text)")
            }
        }
        #expect(redactor.counts[rule] == UInt64(5 * examples.count), "\(redactor.counts)")
    }

    /// What is not private stays as it is.
    @Test(arguments: [
        "The key is under the mat.", "It is 20 degrees at 10:30 on 2024-11-30.", "Chapter 12, page 345, of 1,234,567 words",
        "3.14159265358979", "version 1.2.3", "a ratio of 16:9", "half past 12", "two plus two is 4", "4111 1111 1111 1112 is no card",
        "DE89370400440532013001 is no account", "room 101 @ noon", "@ada wrote", "ada@home", "the year 1984", "01.02.2024 and 2024/01/02",
        "999.1.1.1 is no address", "std::vector and Foo::bar", "12 34 56", "temperature: -40", "A-1 B-2", "", "é猫😀",
        "add::it", "the bee: a cafe", "x = 0.0000001",
    ])
    func whatIsNotPrivateStays(_ text: String) throws {
        var redactor = try redactor()
        #expect(redactor.redact(text) == text && redactor.counts.isEmpty, "\(redactor.counts)")
    }

    @Test func onlyTheRulesThatAreWantedAreApplied() throws {
        var redactor = try redactor(["email"])
        #expect(redactor.redact("ada@example.org, 192.168.0.17") == "[email], 192.168.0.17")
        #expect(redactor.counts == ["email": 1])
        #expect(Redactor(PrivacySettings()) == nil)
    }

    @Test func ownPatternsAndNamesAreTakenOut() throws {
        var redactor = try redactor([], patterns: ["badge-####", "@@-*"], names: ["Ada Lovelace", "Ada", "Zoë", "łódź"])
        #expect(redactor.redact("Badge-1234 and badge-123, XY-12ab, x-12") == "[pattern] and badge-123, [pattern], x-12")
        #expect(
            redactor.redact("Ada Lovelace met ADA's sister ZOË in Łódź; Adam stayed.")
                == "[name] met [name]'s sister [name] in [name]; Adam stayed.")
        #expect(redactor.counts == ["pattern": 2, "name": 4])
    }

    @Test func aTextThatWasRedactedStaysAsItIs() throws {
        var redactor = try redactor(names: ["email"])
        let once = redactor.redact("ada@example.org calls +44 20 7946 0018")
        #expect(once == "[email] calls [telephone]")
        var again = try self.redactor()
        #expect(again.redact(once) == once)
    }

    /// Long runs that never become a match take no more than a bounded time each: the whole is looked through.
    @Test(arguments: ["a", "1", "1 ", "a.", "a@", ":", "1:", "(", "+", "1.", "de89", "x@x."])
    func longRunsAreLookedThrough(_ piece: String) throws {
        var redactor = try redactor(patterns: ["*-*"], names: ["aaa"])
        let text = String(repeating: piece, count: 4_096 / piece.count) + " ada@example.org"
        #expect(redactor.redact(text).hasSuffix("[email]"))
    }

    @Test func settingsThatCannotBeAreNamed() {
        var settings = PrivacySettings()
        settings.redact = ["faces"]
        settings.patterns = [""]
        settings.names = [String(repeating: "a", count: 129)]
        #expect(settings.problems.map(\.key) == ["redact", "patterns", "names"])
    }
}
