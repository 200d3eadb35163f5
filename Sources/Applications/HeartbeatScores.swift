import Statistics

/// Recognises beats of one kind as they arrive; their labels come some beats later.
public struct HeartbeatScores: Sendable {
    /// Decisions against labels.
    public struct Decisions: Sendable {
        public fileprivate(set) var found = 0, missed = 0, falseAlarms = 0

        /// The harmonic mean of precision and recall; 0 if nothing was found.
        public var f1: Double { found == 0 ? 0 : 2 * Double(found) / Double(2 * found + missed + falseAlarms) }

        fileprivate mutating func add(_ decision: Bool, _ truth: Bool) {
            found += decision && truth ? 1 : 0
            missed += !decision && truth ? 1 : 0
            falseAlarms += decision && !truth ? 1 : 0
        }
    }

    public private(set) var model = Decisions(), baseline = Decisions()
    /// Beats that have all of their window, and those of the kind.
    public private(set) var beats = 0, positives = 0
    /// The model's probabilities.
    public private(set) var scores = BinaryScores()
    /// Beats of the kind and decisions so far, after each tenth of the record.
    public private(set) var course: [(positives: Int, model: Decisions, baseline: Decisions)] = []
    private static let courseParts = 10

    /// Recognises every beat, then learns its label when it has come.
    /// - Parameters:
    ///   - record: a record.
    ///   - kind: the kind of beat to be recognised.
    ///   - delay: a label comes so many beats after its beat.
    public init(_ record: HeartRecord, kind: Character, delay: Int) {
        let windows = HeartWindow.all(record)
        var model = HeartbeatModel(), baseline = WindowBaseline()
        var waiting: [(label: Bool, inputs: HeartbeatModel.Inputs, shape: [Float])] = []
        for (beat, window) in windows {
            let label = beat.kind == kind
            let inputs = model.inputs(window), shape = baseline.inputs(window)
            let probability = model.predict(inputs)
            self.model.add(probability > model.threshold, label)
            self.baseline.add(baseline.predict(shape) > 0.5, label)
            scores.add(probability: probability, happened: label)
            beats += 1
            positives += label ? 1 : 0
            waiting.append((label, inputs, shape))
            if beats * Self.courseParts / windows.count > course.count { course.append((positives, self.model, self.baseline)) }
            while waiting.count > max(0, delay) {
                let first = waiting.removeFirst()
                model.learn(first.inputs, first.label)
                baseline.learn(first.shape, first.label)
            }
        }
    }
}
