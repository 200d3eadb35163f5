import Applications
import FilesTesting
import Foundation
import Statistics
import Testing

struct DialogueSectionsTests {
    private let folder = Folder()

    private func read(_ text: String) throws -> (dialogues: [VisitDialogue], sections: [String]) {
        let path = folder.path("\(UUID()).csv")
        try Data(text.utf8).write(to: URL(filePath: path))
        var reader = VisitDialogueReader()
        return (try reader.dialogues(path: path), reader.sections)
    }

    /// Dialogues whose section shows in one of four words that the doctor says; the patient says any of them.
    private func visits(_ count: Int, random: inout RandomSource) -> [VisitDialogue] {
        let topics = ["allergies", "surgery", "smoking", "medicine"], others = ["well", "today", "doctor", "feel", "good", "pain"]
        return (0..<count).map { _ in
            let section = random.uniform(below: 4), filler = (0..<6).map { _ in others[random.uniform(below: others.count)] }
            return VisitDialogue(
                text:
                    "Doctor: Any \(topics[section]) \(filler[0]) \(filler[1])?\r\nPatient: \(topics[random.uniform(below: 4)]) \(filler[2])"
                    + "\r\nDoctor: \(filler[3]) \(filler[4]) \(filler[5])",
                section: section)
        }
    }

    @Test func readsQuotedDialoguesAndNamesSectionsAsTheyCome() throws {
        let (dialogues, sections) = try read(
            "ID,section_header,section_text,dialogue\n0,B,x,\"Doctor: Hi, you\nPatient: Yes\"\n1,A,,z\n2,B,,y\n")
        #expect(sections == ["B", "A"])
        #expect(dialogues.map(\.section) == [0, 1, 0])
        #expect(dialogues[0].text == "Doctor: Hi, you\nPatient: Yes")
    }

    private static let faults: [(text: String, sentence: String)] = [
        ("", "is empty"), ("section_header,dialogue\n", "no dialogues"), ("section_header\nA\n", "'dialogue'"),
        ("section_header,dialogue\nA\n", "cut off"), ("section_header,dialogue\nA,\"x", "never closed"),
    ]

    @Test(arguments: faults)
    func anInvalidFileIsRefusedInASentence(text: String, sentence: String) throws {
        let error = #expect(throws: (any Error).self) { try read(text) }
        #expect("\(try #require(error))".contains(sentence))
    }

    @Test func whoSaysAWordTellsMoreThanTheWord() {
        var random = RandomSource(seed: 1)
        let scores = DialogueScores(visits(400, random: &random), visits(200, random: &random))
        #expect(scores.testAccuracy > 0.97)
        #expect(scores.testAccuracy > scores.baselineTestAccuracy)
        #expect(scores.prequentialAccuracy > 0.85)
    }

    @Test func sectionsAtRandomAreRecognisedAtChance() {
        var random = RandomSource(seed: 2)
        let blind = visits(800, random: &random).map { VisitDialogue(text: $0.text, section: random.uniform(below: 4)) }
        let scores = DialogueScores(Array(blind.prefix(400)), Array(blind.suffix(400)))
        #expect(abs(scores.testAccuracy - 0.25) < 0.08 && abs(scores.prequentialAccuracy - 0.25) < 0.08)
    }

    @Test func anEmptyTextAndASectionThatNeverCameArePredicted() {
        var model = DialogueModel()
        #expect(model.predict("") == [])
        model.learn(2)
        #expect(model.predict("::\n\n").count == 3)
        model.learn(0)
        let long = model.predict(String(repeating: "word ", count: 10_000))
        #expect(long.count == 3 && long.allSatisfy { $0.isFinite })
    }

    @Test func aSoftmaxLearnsClassesThatComeLate() {
        var softmax = AdagradSoftmax()
        #expect(softmax.predict([(1, 1)]) == [])
        for index in 0..<60 {
            let label = index < 20 ? 0 : index % 2 == 0 ? 3 : 1
            _ = softmax.predict([(UInt64(label), 1)])
            softmax.learn(label)
        }
        #expect(softmax.classes == 4)
        for label in [0, 1, 3] { #expect(softmax.predict([(UInt64(label), 1)]).argmax == label) }
    }
}
