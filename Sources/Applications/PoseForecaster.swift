import Foundation
import Geometry

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
