import Applications
import FilesTesting
import Foundation
import Statistics
import Testing

struct StudentAnswersTests {
    private let folder = Folder()

    private func sessions(_ text: String) throws -> [[StudentAnswer]] {
        let path = folder.path("\(UUID()).csv")
        try Data(text.utf8).write(to: URL(filePath: path))
        var reader = StudentAnswerReader()
        return try reader.sessions(path: path)
    }

    /// Students of different ability answer items of different difficulty, of five skills.
    private func school(students: Int, random: inout RandomSource) -> [[StudentAnswer]] {
        let difficulty = (0..<60).map { _ in 1.5 * random.normal() }
        return (0..<students).map { student in
            let ability = random.normal()
            return (0..<40).map { _ in
                let item = random.uniform(below: 60), p = 1 / (1 + exp(difficulty[item] - ability))
                return StudentAnswer(student: student, item: item, skill: item / 12, isCorrect: random.uniform() < p)
            }
        }
    }

    @Test func readsTabsAndCommasAndGroupsByStudent() throws {
        let tabs = "user_id\titem_id\ttimestamp\tcorrect\tskill_id\nb\t7\t0\t1\tx\na\t9\t0\t0\ty\nb\t9\t0\t0\ty\n"
        let expected = [
            [
                StudentAnswer(student: 0, item: 0, skill: 0, number: 7, isCorrect: true),
                StudentAnswer(student: 0, item: 1, skill: 1, number: 9, isCorrect: false),
            ], [StudentAnswer(student: 1, item: 1, skill: 1, number: 9, isCorrect: false)],
        ]
        #expect(try sessions(tabs) == expected)
        #expect(try sessions(tabs.replacingOccurrences(of: "\t", with: ",")) == expected)
    }

    @Test func rowsOfOneAnswerWithSeveralSkillsAreOneAnswer() throws {
        let header = "user_id,item_id,correct,skill_id\n"
        let answers = try sessions(header + "1,5,1,a\n1,5,1,b\n1,5,0,b\n1,6,1,b\n1,6,1,b\n").joined().map(\.isCorrect)
        // Skills a and b of item 5; its second answer; two answers of item 6 with the same skill.
        #expect(answers == [true, false, true, true])
    }

    private static let faults: [(text: String, sentence: String)] = [
        ("", "is empty"), ("user_id,item_id,skill_id,correct\n", "has no answers"),
        ("user_id,item_id,skill_id\n1,2,3\n", "no column 'correct'"), ("user_id,item_id,skill_id,correct\n1,2,3,nan\n", "finite"),
        ("user_id,item_id,skill_id,correct\n1,2,3,1e300\n", "should be 0 or 1"),
        ("user_id,item_id,skill_id,correct\n1,2,3,1\n1,", "holds ''"), ("user_id,item_id,skill_id,correct\n,2,3,1\n", "is empty"),
    ]

    @Test(arguments: faults)
    func anInvalidFileIsRefusedInASentence(text: String, sentence: String) throws {
        let error = #expect(throws: (any Error).self) { try sessions(text) }
        #expect("\(try #require(error))".contains(sentence))
    }

    @Test func theModelIsBetterThanItsBaselinesAndSeedsRepeat() throws {
        var random = RandomSource(seed: 11)
        let training = school(students: 400, random: &random), testing = training.suffix(100).map { $0 }
        var model = StudentModel(seed: 1), again = StudentModel(seed: 1), ratings = RatingBaseline()
        _ = (model.read(training.dropLast(100)), again.read(training.dropLast(100)), ratings.read(training.dropLast(100)))
        let area = try #require(model.read(testing).areaUnderCurve)
        #expect(area > 0.74)
        #expect(area > (try #require(ratings.read(testing).areaUnderCurve)) - 0.01)
        #expect(again.read(testing).areaUnderCurve == area)
    }

    @Test func outcomesDrawnAtRandomArePredictedAtChance() throws {
        var random = RandomSource(seed: 12)
        let sessions = school(students: 300, random: &random).map { session in
            session.map { answer in
                var answer = answer
                answer.isCorrect = random.uniform() < 0.5
                return answer
            }
        }
        var model = StudentModel(seed: 1), bestLR = LogisticBaseline(), ratings = RatingBaseline()
        for area in [model.read(sessions).areaUnderCurve, bestLR.read(sessions).areaUnderCurve, ratings.read(sessions).areaUnderCurve] {
            #expect(abs(try #require(area) - 0.5) < 0.02)
        }
    }

    @Test func aPredictionDoesNotLookAtItsOutcome() {
        var random = RandomSource(seed: 13)
        let sessions = school(students: 20, random: &random)
        var one = StudentModel(seed: 1), other = StudentModel(seed: 1)
        for answer in sessions.joined() {
            var flipped = answer
            flipped.isCorrect.toggle()
            #expect(one.predict(answer) == other.predict(flipped))
            one.learn(answer.isCorrect)
            other.learn(answer.isCorrect)
        }
    }
}
