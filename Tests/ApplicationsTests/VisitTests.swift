import FilesTesting
import Foundation
import OnlineLanguage
import Testing
@testable import Applications

struct VisitTests {
    private let folder = Folder()

    private let martha = RecordedVisit(
        dialogue: "[doctor] hi , martha . how is the lisinopril ?\n[patient] the lisinopril is fine .\n[doctor] martha , take lisinopril .",
        note: "Martha Collins is a 50-year-old woman.")
    private let andrew = RecordedVisit(
        dialogue: "[doctor] hello , andrew . still on naproxen ?\n[patient] dr . gray said so .",
        note: "Andrew Diaz is a man. He saw Dr. Gray.")

    private func follower(isPrivate: Bool) throws -> VisitFollower {
        try writeChatModel(to: folder.path("model"))
        var settings = VisitFollower.settings
        (settings.fresh, settings.context, settings.rate) = (8, 96, 0.3)
        return try VisitFollower(path: folder.path("model"), settings, isPrivate: isPrivate)
    }

    private func courses(_ visits: [RecordedVisit], isPrivate: Bool) throws -> [VisitFollower.Course] {
        let follower = try follower(isPrivate: isPrivate)
        for visit in visits { try follower.follow(visit) }
        return follower.courses
    }

    @Test func namesOfDrugsAndPersonsAreFound() {
        #expect(VisitNames(martha).mentions.map(\.name) == ["martha", "lisinopril", "lisinopril", "martha", "lisinopril"])
        #expect(VisitNames(andrew).mentions.map(\.name) == ["andrew", "gray"])
        let mention = VisitNames(martha).mentions[0]
        #expect(mention.bytes == 14..<20)
        let words = RecordedVisit(dialogue: "april , the whole sum is a note", note: "The Sum is low. Is A note")
        #expect(VisitNames(words).mentions.isEmpty)
    }

    @Test func privateVisitsDoNotReachEachOther() throws {
        let alone = try courses([andrew], isPrivate: true)
        #expect(try courses([martha, andrew], isPrivate: true)[1] == alone[0])
        let shared = try courses([martha, andrew], isPrivate: false)
        #expect(shared[1].learned < alone[0].learned, "otherwise what was said before helps")
        #expect(shared[1].frozen == alone[0].frozen, "a visit is not the context of the next")
        #expect(shared[0] == (try courses([martha], isPrivate: true)[0]))
    }

    @Test func aNameThatWasSaidIsKnown() throws {
        let course = try courses([martha], isPrivate: true)[0]
        #expect(course.firstNames.count == 2 && course.laterNames.count == 3)
        #expect(course.laterNames.learned / 3 < 0.8 * course.laterNames.frozen / 3)
        // Each byte is a token of an untrained model: a name costs some eight bits a letter, as do other words.
        #expect(abs(course.firstNames.frozen - 8 * 16) < 16)
        #expect(course.bytes == martha.dialogue.utf8.count && course.learned < course.frozen)
    }

    @Test func readsVisitsAndTheirTurns() throws {
        let path = folder.path("visits.csv")
        try "encounter_id,dialogue,note\nD1,\"[doctor] hi .\n\n[Guest_Family] yes .\",Note\n".write(
            toFile: path, atomically: true, encoding: .utf8)
        let visits = try RecordedVisit.read(path: path)
        #expect(visits == [RecordedVisit(dialogue: "[doctor] hi .\n\n[Guest_Family] yes .", note: "Note")])
        #expect(visits[0].turns.map(\.speaker) == ["doctor", "guest_family"] && visits[0].turns.map(\.text) == ["hi .", "yes ."])
        #expect(RecordedVisit(dialogue: "[\n[]\n[doctor]", note: "").turns.map(\.text) == ["[", "[]"])
    }

    @Test(arguments: [
        ("dialogue,note\n", "has no visits"), ("dialogue\nx\n", "note"), ("dialogue,note\n,x\n", "row 0: 'dialogue' is empty"),
    ])
    func anInvalidFileIsRefusedInASentence(text: String, sentence: String) throws {
        try text.write(toFile: folder.path("bad.csv"), atomically: true, encoding: .utf8)
        let error = #expect(throws: (any Error).self) { try RecordedVisit.read(path: folder.path("bad.csv")) }
        #expect("\(try #require(error))".contains(sentence))
    }
}
