import Applications
import Statistics
import Testing

struct TextClassifierTests {
    /// What recursive updates give is what the normal equations of everything give, so far as standards do not move.
    @Test func aRidgeSeparatesClassesThatComeLate() {
        var random = RandomSource(seed: 1), ridge = RidgeClassifier(ridge: 1), right = 0
        func vector(_ label: Int) -> [Float] { (0..<6).map { Float(random.uniform()) + ($0 == label ? 1.5 : 0) } }
        for index in 0..<300 {
            let label = random.uniform(below: index < 50 ? 2 : 4)
            let scores = ridge.predict(vector(label))
            #expect(scores.count == (index == 0 ? 0 : ridge.classes))
            if index >= 200 { right += scores.argmax == label ? 1 : 0 }
            ridge.learn(label)
        }
        #expect(ridge.classes == 4 && right > 90)
    }

    @Test func numbersThatAreNotFiniteOrNeverChangeCountNothing() {
        var ridge = RidgeClassifier(ridge: 1)
        for index in 0..<40 {
            _ = ridge.predict([Float(index % 2), .nan, .infinity, 7, 1e38])
            ridge.learn(index % 2)
        }
        for label in [0, 1] {
            let scores = ridge.predict([Float(label), 0, -.infinity, 7, -1e38])
            #expect(scores.allSatisfy(\.isFinite) && scores.argmax == label)
        }
    }

    @Test func aClassifierWithoutWordsOrVectorsKnowsHowFrequentClassesAre() {
        var classifier = TextClassifier(words: 0, vectors: 0)
        #expect(classifier.predict(.init(words: [], length: 3)) == [])
        for index in 0..<60 {
            let p = classifier.predict(.init(words: [], length: 3))
            #expect(index == 0 || abs(p.reduce(0, +) - 1) < 1e-4)
            classifier.learn(index % 3 == 0 ? 1 : 0)
        }
        #expect(classifier.predict(.init(words: [], length: 3)).argmax == 0)
    }
}
