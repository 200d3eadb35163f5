import Model

/// One row of a step, as it was learned.
public struct StepRow: Sendable {
    /// The moment.
    public var moment: MomentInput
    /// Its sender.
    public var source: String
    /// The serial number under which it is remembered, or would be.
    public var serial: Int
    /// Whether it is new, not replayed.
    public var isNew: Bool
    /// The modalities that were hidden, and by how many rows each sense was shifted.
    public var hidden: Set<String>, shifts: [Int]
}

/// Is called with every step of a learner that moves its parameters.
public protocol StepObserver: AnyObject {
    /// Called when the rows are chosen, before the parameters change.
    /// - Parameter rows: in the order of the batch, without empty rows at its end.
    func willStep(_ rows: [StepRow])
    /// Called after the step.
    /// - Parameter moved: false if a gradient was not finite, so that nothing was changed.
    func didStep(_ moved: Bool)
}
