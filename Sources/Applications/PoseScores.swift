import Foundation
import Geometry

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
