import Applications
import FilesTesting
import Foundation
import Geometry
import Statistics
import Testing

struct PoseForecasterTests {
    private let folder = Folder()

    private func read(_ text: String) throws -> [CameraPose] {
        let path = folder.path("\(UUID()).txt")
        try Data(text.utf8).write(to: URL(filePath: path))
        return try CameraPose.read(path: path)
    }

    /// Somebody walks in a circle of a metre in eight seconds, nods, and the hand trembles.
    private func walk(seconds: Double, random: inout RandomSource) -> [CameraPose] {
        (0..<Int(60 * seconds)).map { index in
            let t = Double(index) / 60, angle = 2 * Double.pi * t / 8
            let tremble = SIMD3(random.normal(), random.normal(), random.normal()) * 0.0005
            return CameraPose(
                time: t, position: SIMD3(cos(angle), 0.05 * sin(4 * t), sin(angle)) + tremble,
                rotation: Rotation(vector: SIMD3(0, -angle, 0))
                    * Rotation(vector: SIMD3(0.3 * sin(3 * t), 0, 0)))
        }
    }

    @Test func rotationsComposeAndTurnVectors() throws {
        let quarter = Rotation(vector: SIMD3(0, 0, .pi / 2))
        let turned = quarter.rotate(SIMD3(1, 0, 0)) - SIMD3(0, 1, 0)
        #expect((turned * turned).sum() < 1e-24)
        #expect(abs((quarter * quarter).angle - .pi) < 1e-9)
        var random = RandomSource(seed: 1)
        for _ in 0..<100 {
            let vector = SIMD3(random.normal(), random.normal(), random.normal()) * 0.8
            let rotation = Rotation(vector: vector), difference = rotation.vector - vector
            if rotation.angle < 3.1, (vector * vector).sum() < 9.6 { #expect((difference * difference).sum() < 1e-16) }
            let columns = [SIMD3(1.0, 0, 0), SIMD3(0, 1, 0), SIMD3(0, 0, 1)].map(rotation.rotate)
            let rows = (0..<3).map { i in SIMD3(columns[0][i], columns[1][i], columns[2][i]) }
            let again = try #require(Rotation(rows: rows))
            #expect((again.inverse * rotation).angle < 1e-6)
        }
        #expect(Rotation(rows: [SIMD3(1, 0, 0), SIMD3(0, 1, 0), SIMD3(0, 0, -1)]) == nil)
    }

    @Test func readsPosesAndPassesOverComments() throws {
        let poses = try read("# made\n1000000000 1 0 0 4 0 1 0 5 0 0 1 6 \n1500000000 0 -1 0 4 1 0 0 5 0 0 1 7\n")
        #expect(poses.map(\.time) == [0, 0.5])
        #expect(poses.map(\.position) == [SIMD3(4, 5, 6), SIMD3(4, 5, 7)])
        #expect(abs(poses[1].rotation.angle - .pi / 2) < 1e-9)
    }

    private static let first = "1 1 0 0 0 0 1 0 0 0 0 1 0\n"
    private static let faults: [(text: String, sentence: String)] = [
        ("", "0 poses"), (first, "1 poses"), (first + "2 1 0 0 0 0 1 0", "cut off"), (first + "2 1 0 0 nan 0 1 0 0 0 0 1 0\n", "finite"),
        (first + first, "does not grow"), (first + "2 1 0 0 1e300 0 1 0 0 0 0 1 0\n", "beyond"),
        (first + "2 9 0 0 0 0 1 0 0 0 0 1 0\n", "no rotation"), (first + "x 1 0 0 0 0 1 0 0 0 0 1 0\n", "finite"),
    ]

    @Test(arguments: faults)
    func anInvalidFileIsRefusedInASentence(text: String, sentence: String) throws {
        let error = #expect(throws: (any Error).self) { try read(text) }
        #expect("\(try #require(error))".contains(sentence))
    }

    @Test(arguments: [0.1, 0.5, 1])
    func aWayThatRepeatsIsForecastBetterThanByConstantVelocity(horizon: Double) {
        var random = RandomSource(seed: 7)
        let scores = PoseScores(walk(seconds: 40, random: &random), horizon: horizon)
        #expect(scores.afterTheFirst.centimetres < 0.8 * scores.afterTheFirst.constantCentimetres)
        #expect(scores.afterTheFirst.degrees < 0.9 * scores.afterTheFirst.constantDegrees)
        #expect(scores.parts.allSatisfy { $0.centimetres < 1.05 * $0.constantCentimetres })
    }

    @Test func stepsAtRandomAreForecastNoBetterThanByStandingStill() {
        // The mean distance after n steps of a random walk in the plane and upwards.
        var random = RandomSource(seed: 8), position = SIMD3<Double>.zero
        let poses = (0..<2400).map { index in
            position += SIMD3(random.normal(), random.normal(), random.normal()) * 0.01
            return CameraPose(time: Double(index) / 60, position: position, rotation: Rotation(vector: .zero))
        }
        let ahead = 30
        let still = (600..<(2400 - ahead)).map { index in
            let step = poses[index + ahead].position - poses[index].position
            return 100 * (step * step).sum().squareRoot()
        }
        let scores = PoseScores(poses, horizon: 0.5)
        #expect(scores.afterTheFirst.centimetres > 0.97 * still.reduce(0, +) / Double(still.count))
        #expect(scores.afterTheFirst.centimetres < 1.5 * still.reduce(0, +) / Double(still.count))
    }

    @Test func aForecastDoesNotDependOnWhatComesLater() throws {
        var random = RandomSource(seed: 9)
        let poses = walk(seconds: 12, random: &random)
        var one = PoseForecaster(horizon: 0.5), other = PoseForecaster(horizon: 0.5)
        for (index, pose) in poses.enumerated() {
            // Half a second before the end the world changes for the other one.
            var changed = pose
            if index >= 690 { changed.position += SIMD3(5, 5, 5) }
            let a = one.observe(pose)?.pose, b = other.observe(changed)?.pose
            if index < 690 { #expect(a == b) }
            if index == 719 { #expect(a != b) }
        }
    }

    @Test func aPauseAndAJumpStayFinite() throws {
        var random = RandomSource(seed: 10)
        var poses = walk(seconds: 6, random: &random)
        for index in 200..<poses.count {
            poses[index].time += 1e6
            poses[index].position += SIMD3(9e4, -9e4, 9e4)
        }
        let scores = PoseScores(poses, horizon: 1)
        #expect(scores.afterTheFirst.centimetres.isFinite && scores.afterTheFirst.degrees.isFinite)
    }
}
