/// What arrives of a beat: its window of both leads, and how early it came.
public struct HeartWindow: Sendable {
    /// Seconds of a window before and after the beat, and the number of points of each lead in it.
    public static let before = 0.6, after = 0.3, points = 81
    /// The number of intervals.
    public static let intervals = 3

    /// Points of both leads, each less its mean.
    public var shape: [Float]
    /// The interval before the beat, the one before that, and the range of the last eight, in parts of the median of the last eight.
    public var intervals: [Float]

    /// Windows of every beat that has all of its samples.
    public static func all(_ record: HeartRecord) -> [(beat: HeartRecord.Beat, window: HeartWindow)] {
        let length = record.signals.map(\.count).min() ?? 0
        var recent: [Double] = []
        var windows: [(beat: HeartRecord.Beat, window: HeartWindow)] = []
        for (index, beat) in record.beats.enumerated() {
            let interval = index > 0 ? Double(beat.sample - record.beats[index - 1].sample) : nil
            defer {
                if let interval { recent = recent.suffix(7) + [interval] }
            }
            let first = Double(beat.sample) - before * record.rate, step = (before + after) * record.rate / Double(points - 1)
            guard let interval, !recent.isEmpty, first >= 0, first + step * Double(points - 1) < Double(length) else { continue }
            let shape = record.signals.flatMap { signal in
                let points = (0..<points).map { signal[min(length - 1, Int(first + step * Double($0)))] }
                let mean = points.reduce(0, +) / Float(points.count)
                return points.map { $0 - mean }
            }
            let sorted = recent.sorted(), median = max(1, sorted[sorted.count / 2])
            let intervals = [
                interval / median, (recent.last ?? median) / median, (sorted[sorted.count - 1] - sorted[0]) / median,
            ]
            windows.append((beat, HeartWindow(shape: shape, intervals: intervals.map { Float(min(4, $0)) })))
        }
        return windows
    }
}
