/// What a frontend makes of one reading: rows of numbers that a model's encoder turns into tokens.
public struct Features: Sendable, Equatable {
    public var modality: String
    /// Version of the frontend; features of different versions do not mix.
    public var version: UInt32
    public var rows: Int
    public var columns: Int
    /// rows × columns, row after row; all finite.
    public var values: [Float]
    /// How long a span the reading covers, in nanoseconds; 0 for an instant.
    public var duration: Int64
    /// 1 for a reading as good as any, towards 0 for one that says nothing: a covered camera, a silent microphone.
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
