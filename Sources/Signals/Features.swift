/// The features of one reading: rows of numbers, computed by a frontend, which a model's encoder turns into tokens.
public struct Features: Sendable, Equatable {
    public var modality: String
    /// The version of the frontend; features of different versions are not comparable.
    public var version: UInt32
    public var rows: Int
    public var columns: Int
    /// (rows, columns), row-major; all finite.
    public var values: [Float]
    /// The duration covered by the reading, in nanoseconds; 0 for an instant.
    public var duration: Int64
    /// Quality of the reading in 0…1: 1 for a normal reading, near 0 for one without information, such as from a covered camera or a
    /// silent microphone.
    public var validity: Float

    public init(modality: String, version: UInt32, rows: Int, columns: Int, values: [Float], duration: Int64 = 0, validity: Float = 1) {
        precondition(values.count == rows * columns, "\(values.count) values for \(rows) × \(columns)")
        self.modality = modality
        self.version = version
        self.rows = rows
        self.columns = columns
        self.values = values
        self.duration = duration
        self.validity = validity
    }
}
