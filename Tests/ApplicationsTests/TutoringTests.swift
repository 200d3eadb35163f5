import Applications
import FilesTesting
import Foundation
import OnlineLanguage
import Statistics
import Testing

struct TutoringTests {
    private let folder = Folder()

    private func read(_ text: String) throws -> [TutoringChat] {
        let path = folder.path("\(UUID()).json")
        try Data(text.utf8).write(to: URL(filePath: path))
        return try TutoringChat.read(path: path)
    }

    /// Chats whose kind of error shows in a word of the reply; the student says anything.
    private func chats(_ count: Int, random: inout RandomSource) -> [TutoringChat] {
        let signs = ["why", "almost", "careful", "close"], others = ["yes", "no", "maybe 4", "idk", "done"]
        return (0..<count).map { _ in
            let kind = random.uniform(below: 4)
            return TutoringChat(
                messages: [
                    .init(isTutors: true, text: "What is 5 + \(random.uniform(below: 9))?"),
                    .init(isTutors: false, text: others[random.uniform(below: others.count)]),
                ], reply: ["Hm, \(signs[kind]) \(others[random.uniform(below: others.count)])", "Try again!"], error: kind)
        }
    }

    @Test func readsChatsAndTakesWordsOfTheirOwnAsOneKind() throws {
        let message = #"{"id": 3, "text": "4 m", "time": "17:13", "user": "student"}"#
        let reply = #"{"user": "tutor", "text": "Hm", "is_revised": true}"#
        let text =
            #"[{"c_id": "a", "c_h": [{"text": "", "user": "tutor"}, \#(message)], "c_r_": [\#(reply), \#(reply)], "e": "careless"}, "#
            + #"{"c_h": [\#(message)], "c_r_": [\#(reply)], "e": "No mistake!"}]"#
        let chats = try read(text), student = TutoringChat.Message(isTutors: false, text: "4 m")
        #expect(
            chats == [
                TutoringChat(messages: [student], reply: ["Hm", "Hm"], error: 2),
                TutoringChat(messages: [student], reply: ["Hm"], error: 6),
            ])
    }

    private static let faults: [(text: String, sentence: String)] = [
        ("", "cannot read"), ("{}", "is not a list"), ("[]", "has no chats"), ("[{\"c_h\": [", "cannot read"), ("[3]", "chat 0: 'c_h'"),
        (#"[{"c_h": [], "c_r_": [{"user": "tutor", "text": "a"}], "e": "guess"}]"#, "'c_h' should be a list of 1 to"),
        (#"[{"c_h": [{"user": "tutor", "text": "a"}], "e": "guess"}]"#, "'c_r_'"),
        (#"[{"c_h": [{"user": "cat", "text": "a"}], "c_r_": [{"user": "tutor", "text": "a"}], "e": "guess"}]"#, "'user'"),
        (#"[{"c_h": [{"user": "tutor", "text": 5}], "c_r_": [{"user": "tutor", "text": "a"}], "e": "guess"}]"#, "'text'"),
        (#"[{"c_h": [{"user": "tutor", "text": "a"}], "c_r_": [{"user": "tutor", "text": ""}], "e": "guess"}]"#, "no message with a text"),
        (#"[{"c_h": [{"user": "tutor", "text": "a"}], "c_r_": [{"user": "tutor", "text": "a"}], "e": 3}]"#, "chat 0: 'e'"),
    ]

    @Test(arguments: faults)
    func anInvalidFileIsRefusedInASentence(text: String, sentence: String) throws {
        let error = #expect(throws: (any Error).self) { try read(text) }
        #expect("\(try #require(error))".contains(sentence))
    }

    @Test func theReplyTellsTheKindOfError() {
        var random = RandomSource(seed: 1)
        let scores = ErrorKindScores(chats(400, random: &random))
        #expect(ErrorKindScores.accuracy(scores.withReply.suffix(200).map { $0.model }) > 0.95)
        #expect(abs(ErrorKindScores.accuracy(scores.beforeReply.map { $0.model }) - 0.25) < 0.08, "the student's words tell nothing")
        #expect(abs(ErrorKindScores.accuracy(scores.beforeReply.map { $0.baseline }) - 0.25) < 0.08)
    }

    @Test func kindsAtRandomAreRecognisedAtChance() {
        var random = RandomSource(seed: 2)
        let blind = chats(600, random: &random).map {
            TutoringChat(messages: $0.messages, reply: $0.reply, error: random.uniform(below: 4))
        }
        let scores = ErrorKindScores(blind, vectors: 1) { _ in [(0..<8).map { _ in Float(random.uniform()) }] }
        #expect(abs(ErrorKindScores.accuracy(scores.withReply.map { $0.model }) - 0.25) < 0.07)
    }

    @Test func aVectorOfALanguageModelTellsWhatWordsDoNot() {
        var random = RandomSource(seed: 3)
        let scores = ErrorKindScores(
            chats(300, random: &random).map { TutoringChat(messages: $0.messages, reply: ["Hm"], error: $0.error) }, vectors: 1
        ) { chat in
            [(0..<8).map { Float($0 == chat.error ? 1 : 0) + Float(random.uniform()) * 0.5 }]
        }
        #expect(ErrorKindScores.accuracy(scores.withReply.suffix(150).map { $0.model }) > 0.9)
    }

    @Test func repliesAreLearnedAndARunRepeats() throws {
        try writeChatModel(to: folder.path("chat"))
        var random = RandomSource(seed: 4)
        let chats = chats(24, random: &random)
        var settings = ContinuationLearner.Configuration()
        (settings.window, settings.rate, settings.replays) = (192, 0.01, 1)
        let runs = try (0..<2).map { _ in
            let replies = try TutoringReplies(path: folder.path("chat"), settings)
            for chat in chats { try replies.read(chat) }
            return replies
        }
        #expect(runs[0].learned == runs[1].learned && runs[0].baseline == runs[1].baseline)
        #expect(runs[0].learned.bytes == chats.reduce(0) { $0 + $1.reply.joined(separator: "\n").utf8.count })
        #expect(runs[0].learned.bitsPerByte < 0.8 * runs[0].baseline.bitsPerByte)
        #expect(runs[0].learned.bits < runs[0].withoutMemory.bits, "replies have parts in common")
        #expect(abs(runs[0].baseline.bitsPerByte - 8) < 0.5, "an untrained model knows nothing")
    }

    @Test func aReaderGivesVectorsOfAnyText() throws {
        try writeChatModel(to: folder.path("chat"))
        let reader = try TextReader(path: folder.path("chat"), limit: 64)
        let texts = ["Hello", "Hello!", "", String(repeating: "word ", count: 1_000)].map { reader.read($0) }
        #expect(texts.allSatisfy { $0.count == reader.vectors && $0.joined().allSatisfy(\.isFinite) })
        #expect(texts[0] != texts[1] && texts[0] == reader.read("Hello"))
        #expect(texts[2].joined().allSatisfy { $0 == 0 })
        #expect(texts[3] == reader.read(String(repeating: "word ", count: 500)), "only the first tokens are read")
    }
}
