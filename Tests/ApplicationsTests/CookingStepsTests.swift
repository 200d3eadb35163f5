import Applications
import FilesTesting
import Foundation
import Statistics
import Testing

struct CookingStepsTests {
    private let folder = Folder()

    private func read(_ text: String) throws -> [CookingSession] {
        let path = folder.path("\(UUID()).jsonl")
        try Data(text.utf8).write(to: URL(filePath: path))
        return try CookingSession.read(path: path)
    }

    private func session(_ recipe: String, person: Int, _ steps: [Int], wrong: Set<Int> = []) -> CookingSession {
        CookingSession(
            recipe: recipe, person: "\(person)",
            steps: steps.enumerated().map { index, id in
                CookingSession.Step(
                    id: id, text: "Do-do thing \(id)", start: Double(20 * index), end: Double(20 * index + 15), isWrong: wrong.contains(id))
            })
    }

    /// Cooks of two kinds: some follow one order, others another.
    private func kitchen(_ count: Int, random: inout RandomSource, shuffled: Bool = false) -> [CookingSession] {
        (0..<count).map { index in
            let base = index % 2 == 0 ? [1, 2, 3, 4, 5, 6, 7, 8] : [5, 6, 1, 2, 7, 3, 4, 8]
            var steps = base
            if shuffled { random.shuffle(&steps) }
            return session("soup", person: index % 3, steps, wrong: [4])
        }
    }

    @Test func readsSessionsAndPassesOverStepsThatWereLeftOut() throws {
        let sessions = try read(
            """
            {"recipe": "Tea", "person": 3, "steps": [{"id": 9, "start": -1.0, "end": -1.0, "text": "x", "errors": [{"tag": "Missing Step"}]},
            """.replacingOccurrences(of: "\n", with: "")
                + """
                 {"id": 2, "start": 4, "end": 9.5, "text": "Boil-Boil water", "errors": [{"tag": "Timing Error", "text": "long"}]}, \
                {"id": 1, "start": 10, "end": 11, "text": "Pour"}]}

                """)
        #expect(
            sessions == [
                CookingSession(
                    recipe: "Tea", person: "3",
                    steps: [
                        .init(id: 2, text: "Boil-Boil water", start: 4, end: 9.5, isWrong: true),
                        .init(id: 1, text: "Pour", start: 10, end: 11, isWrong: false),
                    ])
            ])
    }

    private static let faults: [(text: String, sentence: String)] = [
        ("", "has no steps"), ("{\"recipe\": \"a\", \"person\": 1, \"steps\": []}\n", "has no steps"),
        ("{\"recipe\": \"a\", \"person\": 1, \"steps\": [{\"id\": 1, \"start\": 0", "line 1"),
        ("{\"person\": 1, \"steps\": []}", "'recipe'"), ("{\"recipe\": \"a\", \"person\": 1}", "'steps'"),
        ("{\"recipe\": \"a\", \"person\": 1, \"steps\": [{\"start\": 0, \"end\": 1}]}", "'id'"),
        ("{\"recipe\": \"a\", \"person\": 1, \"steps\": [{\"id\": 1, \"start\": 0, \"end\": 1e300}]}", "'start' and 'end'"),
        ("{\"recipe\": \"a\", \"person\": 1, \"steps\": [{\"id\": 1, \"start\": 0}]}", "'start' and 'end'"),
    ]

    @Test(arguments: faults)
    func anInvalidFileIsRefusedInASentence(text: String, sentence: String) throws {
        let error = #expect(throws: (any Error).self) { try read(text) }
        #expect("\(try #require(error))".contains(sentence))
    }

    @Test func twoOrdersAreToldApartByTheirFirstSteps() throws {
        var random = RandomSource(seed: 1)
        let sessions = kitchen(30, random: &random)
        var model = try StepModel(RecipeBook(sessions)), bigram = try StepBigram(RecipeBook(sessions))
        _ = (model.read(Array(sessions.prefix(20))), bigram.read(Array(sessions.prefix(20))))
        let last = model.read(Array(sessions.suffix(10))).figures, plain = bigram.read(Array(sessions.suffix(10))).figures
        // Only the first step is left to chance: seven of eight and a half of one.
        #expect(last.top1 > 0.85 && last.top3 > 0.95)
        #expect(last.nll < plain.nll)
    }

    @Test func stepsInRandomOrderArePredictedAtChance() throws {
        var random = RandomSource(seed: 2)
        let sessions = kitchen(300, random: &random, shuffled: true)
        var model = try StepModel(RecipeBook(sessions))
        let figures = model.read(sessions).figures
        // Steps that are done do not come again: (1/8 + 1/7 + … + 1) / 8 are right by chance, at a mean of ln 8! / 8.
        let chance = (1...8).map { 1 / Double($0) }.reduce(0, +) / 8, cost = (1...8).map { log(Double($0)) }.reduce(0, +) / 8
        #expect(abs(figures.top1 - chance) < 0.03)
        #expect(figures.nll > cost - 0.01 && figures.nll < cost + 0.15)
    }

    @Test func aStepThatAlwaysGoesWrongIsFoundAndErrorsAtRandomAreNot() throws {
        var random = RandomSource(seed: 3)
        var sessions = kitchen(60, random: &random)
        var model = try StepModel(RecipeBook(sessions))
        _ = model.read(Array(sessions.prefix(30)))
        #expect((model.read(Array(sessions.suffix(30))).errors.averagePrecision ?? 0) > 0.95)

        for session in sessions.indices {
            for step in sessions[session].steps.indices { sessions[session].steps[step].isWrong = random.uniform() < 0.3 }
        }
        var blind = try StepModel(RecipeBook(sessions))
        let errors = blind.read(sessions).errors
        #expect(abs(try #require(errors.averagePrecision) - (try #require(errors.baseRate))) < 0.08)
        #expect(abs(try #require(errors.areaUnderCurve) - 0.5) < 0.08)
    }

    @Test func neitherTheNextStepNorItsErrorIsLookedAt() throws {
        // The same sessions but for the last step and its error are predicted alike up to there.
        var random = RandomSource(seed: 4)
        let sessions = kitchen(12, random: &random), book = try RecipeBook(sessions)
        func probabilities(last: Int, wrong: Bool) -> [[Float]] {
            var model = StepModel(book), all: [[Float]] = []
            for (index, session) in sessions.enumerated() {
                model.begin(recipe: session.recipe, person: session.person)
                for (place, step) in session.steps.enumerated() {
                    all.append(model.predict().probabilities)
                    var step = step
                    if index == 11, place == 7 { (step.id, step.isWrong) = (last, wrong) }
                    all.append([model.learn(step)])
                }
            }
            return all
        }
        let one = probabilities(last: 8, wrong: false), other = probabilities(last: 8, wrong: true),
            third = probabilities(last: 1, wrong: true)
        #expect(one == other)
        #expect(one.dropLast() == third.dropLast() && one != third)
    }

    @Test func withoutTheListAStepThatIsNewIsMissed() throws {
        let sessions = [session("a", person: 1, [3, 1, 2]), session("a", person: 1, [3, 1, 2])]
        var model = try StepModel(RecipeBook(sessions))
        let scores = model.read(sessions)
        #expect(scores.figuresWithoutList.top3 == 0.5)
        #expect(scores.figures.top3 >= 0.5 && scores.figuresWithoutList.nll < scores.figures.nll)
    }
}
