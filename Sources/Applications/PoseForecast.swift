import Files
import Foundation
import Geometry

/// Where a camera is and how it is turned, at a time.
public struct CameraPose: Sendable, Equatable {
    /// Seconds since the first pose.
    public var time: Double
    /// Metres in the world, whose y axis points up.
    public var position: SIMD3<Double>
    public var rotation: Rotation

    public init(time: Double, position: SIMD3<Double>, rotation: Rotation) {
        (self.time, self.position, self.rotation) = (time, position, rotation)
    }

    /// Why a file cannot be used.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Bounds of a file in bytes, and of a position's numbers in metres.
    public static let byteLimit = 1 << 28, positionLimit = 1e5

    /// Reads a file of ARKit-Data-Logger: in each line the time in nanoseconds and a 3 × 4 pose, row by row; lines that begin with # are
    /// comments.
    /// - Throws: what is wrong, in one sentence with its line: numbers missing or not finite, a time that does not grow, a matrix that is
    ///   no rotation.
    public static func read(path: String) throws -> [CameraPose] {
        let bytes: [UInt8]
        do { bytes = try readFile(path, atMost: byteLimit, streams: true) } catch {
            throw Failure(description: "cannot read \(path): \(error.cause)")
        }
        var poses: [CameraPose] = []
        var first: Double?
        for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            let words = line.split { [0x20, 0x09, 0x0D, 0x2C].contains($0) }
            guard let start = words.first, start.first != UInt8(ascii: "#") else { continue }
            let numbers = words.prefix(13).compactMap { Double(String(decoding: $0, as: UTF8.self)) }
            let place = "\(path), line \(index + 1)"
            guard words.count == 13, numbers.count == 13, numbers.allSatisfy(\.isFinite) else {
                throw Failure(description: "\(place): there should be a time and 12 finite numbers; the file may be cut off")
            }
            let time = (numbers[0] - (first ?? numbers[0])) * 1e-9
            first = first ?? numbers[0]
            guard poses.isEmpty || time > poses[poses.count - 1].time else {
                throw Failure(description: "\(place): the time does not grow")
            }
            let position = SIMD3(numbers[4], numbers[8], numbers[12])
            guard (abs(position.x), abs(position.y), abs(position.z)) < (positionLimit, positionLimit, positionLimit),
                max(abs(position.x), abs(position.y), abs(position.z)) < positionLimit
            else { throw Failure(description: "\(place): a position beyond \(Int(positionLimit)) metres") }
            let rows = [
                SIMD3(numbers[1], numbers[2], numbers[3]), SIMD3(numbers[5], numbers[6], numbers[7]),
                SIMD3(numbers[9], numbers[10], numbers[11]),
            ]
            guard let rotation = Rotation(rows: rows) else { throw Failure(description: "\(place): the 3 × 3 matrix is no rotation") }
            poses.append(CameraPose(time: time, position: position, rotation: rotation))
        }
        guard poses.count > 1 else { throw Failure(description: "\(path) has \(poses.count) poses; a forecast needs more") }
        return poses
    }
}

/// Forecasts a camera's pose some time ahead, and learns as poses come: a forecast's truth is learned when its time has come, not before.
///
/// Three groups of numbers are forecast: the horizontal displacement in the world, whose two axes share weights; the vertical one; and the
/// rotation about each axis of the camera. For each a few linear models (ridge regression, updated recursively, of different strength and
/// forgetting) begin as constant velocity and learn what recent velocities at several lags mean; experts' weights, by their recent
/// errors, mix them with constant velocity, damped velocity and no motion.
public struct PoseForecaster {
    /// A forecast, and constant velocity's.
    public struct Forecast: Sendable {
        public var pose: CameraPose
        public var constantVelocity: CameraPose
    }

    /// Numbers of poses back from which velocities are taken, and the one of constant velocity: a twentieth of a second at 60 Hz.
    static let lags = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48], constantLag = 3
    /// Poses kept: for the longest lag, or for the longest horizon at up to 240 poses a second.
    static let poseLimit = 1024

    private let horizon: Double
    private var poses: [CameraPose] = []
    private var horizontal: ForecastGroup, vertical: ForecastGroup, turns: [ForecastGroup]
    private var angular = SIMD3<Double>.zero
    private var meanPosition = SIMD3<Double>.zero, meanUp = SIMD3<Double>.zero
    private var count = 0
    private var waiting: [Waiting] = []

    /// A forecast whose truth has not come yet.
    private struct Waiting {
        var pose: CameraPose
        var inputs: Inputs
    }

    /// Rows of inputs of each group: two of the horizontal one, one of the others.
    private struct Inputs {
        var horizontal: [[Double]], vertical: [[Double]], turns: [[Double]]
    }

    /// - Parameter horizon: in seconds.
    public init(horizon: Double) {
        self.horizon = horizon
        horizontal = ForecastGroup(inputs: Self.lags.count + 2, horizon: horizon)
        vertical = horizontal
        turns = Array(repeating: ForecastGroup(inputs: Self.lags.count + 1, horizon: horizon), count: 3)
    }

    /// Learns from a pose what earlier forecasts should have been, and forecasts.
    /// - Returns: nil while there is but one pose.
    public mutating func observe(_ pose: CameraPose) -> Forecast? {
        learn(pose)
        updateMeans(pose)
        poses.append(pose)
        if poses.count > Self.poseLimit { poses.removeFirst() }
        guard poses.count > 1 else { return nil }
        let inputs = inputs()
        let across = horizontal.forecast(inputs.horizontal), up = vertical.forecast(inputs.vertical)
        let turn = zip(turns, inputs.turns).map { $0.forecast([$1])[0] }
        if waiting.count < Self.poseLimit { waiting.append(Waiting(pose: pose, inputs: inputs)) }
        let later = pose.time + horizon
        let velocity = SIMD3(
            inputs.horizontal[0][Self.constant], inputs.vertical[0][Self.constant], inputs.horizontal[1][Self.constant])
        let spin = SIMD3(inputs.turns[0][Self.constant], inputs.turns[1][Self.constant], inputs.turns[2][Self.constant])
        return Forecast(
            pose: CameraPose(
                time: later, position: pose.position + SIMD3(across[0], up[0], across[1]),
                rotation: pose.rotation * Rotation(vector: SIMD3(turn[0], turn[1], turn[2]))),
            constantVelocity: CameraPose(
                time: later, position: pose.position + velocity, rotation: pose.rotation * Rotation(vector: spin)))
    }

    /// The place of constant velocity among the inputs.
    static let constant = lags.firstIndex(of: constantLag) ?? 0

    /// Learns the forecasts whose time has come, from the pose at that time: between the newest pose and the one before.
    private mutating func learn(_ pose: CameraPose) {
        while let first = waiting.first, first.pose.time + horizon <= pose.time {
            waiting.removeFirst()
            guard let truth = interpolated(at: first.pose.time + horizon, pose) else { continue }
            let displacement = truth.position - first.pose.position
            let turn = (first.pose.rotation.inverse * truth.rotation).vector
            horizontal.learn(first.inputs.horizontal, [displacement.x, displacement.z])
            vertical.learn(first.inputs.vertical, [displacement.y])
            for axis in 0..<3 { turns[axis].learn([first.inputs.turns[axis]], [turn[axis]]) }
        }
    }

    private func interpolated(at time: Double, _ pose: CameraPose) -> CameraPose? {
        guard let last = poses.last, last.time <= time else { return nil }
        return CameraPose.between(last, pose, at: time)
    }

    private mutating func updateMeans(_ pose: CameraPose) {
        count += 1
        let step = poses.last.map { pose.time - $0.time } ?? 0
        let rate = max(1 / Double(count), min(1, step / Self.meanSeconds))
        meanPosition += rate * (pose.position - meanPosition)
        meanUp += rate * (pose.rotation.rotate(SIMD3(0, 1, 0)) - meanUp)
        guard let last = poses.last else { return }
        let rotation = (pose.rotation * last.rotation.inverse).vector / step
        angular += min(1, max(step / 0.1, 1 / Double(count))) * (rotation - angular)
    }

    /// The time over which means are taken.
    private static let meanSeconds = 15.0

    private func inputs() -> Inputs {
        let now = poses[poses.count - 1]
        var velocities: [SIMD3<Double>] = [], spins: [SIMD3<Double>] = []
        for lag in Self.lags {
            let earlier = poses[max(0, poses.count - 1 - lag)], seconds = now.time - earlier.time
            velocities.append((now.position - earlier.position) * (horizon / seconds))
            spins.append((earlier.rotation.inverse * now.rotation).vector * (horizon / seconds))
        }
        // Back to where the camera mostly is; and where the view turns to.
        let back = (meanPosition - now.position) * horizon
        let view = now.rotation.rotate(SIMD3(0, 0, -1)) * SIMD3(1, 0, 1)
        let side = cross(angular * SIMD3(0, 1, 0), view) * horizon
        // Back to how the camera is mostly inclined, as a rotation vector of the camera.
        let up = now.rotation.rotate(SIMD3(0, 1, 0))
        let incline = now.rotation.inverse.rotate(cross(up, meanUp)) * horizon
        func axis(_ i: Int) -> [Double] { velocities.map { $0[i] } + [back[i], side[i]] }
        return Inputs(
            horizontal: [axis(0), axis(2)], vertical: [axis(1)], turns: (0..<3).map { i in spins.map { $0[i] } + [incline[i]] })
    }
}

extension CameraPose {
    /// The pose at a time between two, by a straight way and a steady turn.
    static func between(_ a: CameraPose, _ b: CameraPose, at time: Double) -> CameraPose {
        let part = b.time > a.time ? max(0, min(1, (time - a.time) / (b.time - a.time))) : 0
        return CameraPose(
            time: time, position: a.position + part * (b.position - a.position),
            rotation: a.rotation * Rotation(vector: part * (a.rotation.inverse * b.rotation).vector))
    }
}

/// Numbers that are forecast together, by models and fixed experts whose weights follow their recent errors.
struct ForecastGroup: Sendable {
    private var models: [RidgeRegression]
    private var weights: ExpertWeights
    private var learned = 0

    /// The mixture counts for half after so many truths, constant velocity for the other half.
    private static let doubt = 300.0
    /// Constant velocity times these is a fixed expert.
    private static let damping = [1, 0.8, 0.5, 0.25, 0]

    /// Two models differ in how soon they leave constant velocity, and one forgets.
    /// - Parameters:
    ///   - inputs: the number of inputs.
    ///   - horizon: in seconds. Velocities are multiplied by it, so a longer one makes the inputs larger; and errors of forecasts that
    ///     overlap are alike, so each counts less.
    init(inputs: Int, horizon: Double) {
        var initial = [Double](repeating: 0, count: inputs)
        initial[PoseForecaster.constant] = 1
        models = [(0.03, 1), (0.003, 1), (0.03, 0.999)].map { ridge, forgetting in
            RidgeRegression(initial: initial, ridge: ridge * horizon, forgetting: forgetting)
        }
        let prior = models.map { _ in 1 } + [0.5] + Self.damping.dropFirst().map { _ in 0.1 }
        weights = ExpertWeights(prior: prior, rate: min(0.1, 0.01 / horizon))
    }

    /// - Parameter rows: inputs of each number.
    func forecast(_ rows: [[Double]]) -> [Double] {
        let squared = Double(learned) * Double(learned), trust = squared / (squared + Self.doubt * Self.doubt)
        return zip(rows, experts(rows)).map { row, forecasts in
            let mixed = zip(forecasts, weights.values).reduce(0) { $0 + $1.0 * $1.1 }
            return trust * mixed + (1 - trust) * row[PoseForecaster.constant]
        }
    }

    /// The experts' forecasts of each number.
    private func experts(_ rows: [[Double]]) -> [[Double]] {
        rows.map { row in
            models.map { $0.predict(row) } + Self.damping.map { $0 * row[PoseForecaster.constant] }
        }
    }

    /// Learns what the numbers were, and how well each expert had forecast them.
    mutating func learn(_ rows: [[Double]], _ truths: [Double]) {
        learned += 1
        let forecasts = experts(rows)
        weights.learn(
            (0..<weights.values.count).map { expert in
                zip(forecasts, truths).reduce(0) { sum, pair in
                    let error = pair.0[expert] - pair.1
                    return sum + error * error
                }.squareRoot()
            })
        for (row, truth) in zip(rows, truths) {
            for i in models.indices { models[i].learn(row, truth) }
        }
    }
}

/// How far forecasts and constant velocity were from what came.
public struct PoseScores: Sendable {
    /// Sums over poses, of one part of the stream.
    public struct Part: Sendable {
        public fileprivate(set) var count = 0
        fileprivate var distance = 0.0, constantDistance = 0.0, angle = 0.0, constantAngle = 0.0

        private func mean(_ sum: Double) -> Double { sum / Double(max(1, count)) }

        /// Mean distances, in centimetres.
        public var centimetres: Double { 100 * mean(distance) }
        public var constantCentimetres: Double { 100 * mean(constantDistance) }
        /// Mean angles, in degrees.
        public var degrees: Double { 180 / .pi * mean(angle) }
        public var constantDegrees: Double { 180 / .pi * mean(constantAngle) }

        fileprivate static func + (a: Part, b: Part) -> Part {
            var sum = a
            sum.count += b.count
            sum.distance += b.distance
            sum.constantDistance += b.constantDistance
            sum.angle += b.angle
            sum.constantAngle += b.constantAngle
            return sum
        }
    }

    /// The length of a part, in seconds of the time when a forecast is made.
    public static let partSeconds = 10.0
    /// Parts in their order; those beyond the limit are added to the last.
    public private(set) var parts: [Part] = []
    private static let partLimit = 4096

    /// Everything after the first part, in which there is little to learn from; or everything, if that is all.
    public var afterTheFirst: Part { parts.count > 1 ? parts.dropFirst().reduce(Part(), +) : parts.first ?? Part() }

    fileprivate mutating func add(_ forecast: PoseForecaster.Forecast, _ truth: CameraPose, made time: Double) {
        let index = min(Self.partLimit - 1, Int(min(1e9, max(0, time / Self.partSeconds))))
        while parts.count <= index { parts.append(Part()) }
        func distance(_ pose: CameraPose) -> Double {
            let error = pose.position - truth.position
            return (error * error).sum().squareRoot()
        }
        parts[index].count += 1
        parts[index].distance += distance(forecast.pose)
        parts[index].constantDistance += distance(forecast.constantVelocity)
        parts[index].angle += (forecast.pose.rotation.inverse * truth.rotation).angle
        parts[index].constantAngle += (forecast.constantVelocity.rotation.inverse * truth.rotation).angle
    }

    /// Forecasts from every pose, then learns.
    /// - Parameters:
    ///   - poses: in the order of time.
    ///   - horizon: in seconds.
    public init(_ poses: [CameraPose], horizon: Double) {
        var forecaster = PoseForecaster(horizon: horizon)
        var waiting: [PoseForecaster.Forecast] = []
        var last: CameraPose?
        for pose in poses {
            while let first = waiting.first, first.pose.time <= pose.time {
                waiting.removeFirst()
                if let last, last.time <= first.pose.time {
                    add(first, CameraPose.between(last, pose, at: first.pose.time), made: first.pose.time - horizon)
                }
            }
            if let forecast = forecaster.observe(pose) { waiting.append(forecast) }
            last = pose
        }
    }
}
