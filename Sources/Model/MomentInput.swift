import Foundation
import Statistics

/// A model's input for one moment: the text's token ids, each sense's features, and the label if it is known.
public struct MomentInput: Codable, Sendable, Equatable {
    /// Token ids of the text; empty if there is none.
    public var text: [Int]
    /// The features of each sense, by its name; a missing sense has no entry.
    public var senses: [String: SenseInput]
    /// The class, below `classes`; nil if it is not known.
    public var label: Int?
    /// The number of classes that the label was chosen from.
    public var classes: Int?
    /// Token ids of the right answer to the moment, a correction; nil if none is known.
    public var answer: [Int]?

    public init(text: [Int] = [], senses: [String: SenseInput] = [:], label: Int? = nil, classes: Int? = nil) {
        self.text = text
        self.senses = senses
        self.label = label
        self.classes = classes
    }

    /// Whether it has a label, a text or an answer, from which something can be learned.
    public var isInstructive: Bool { label != nil || !text.isEmpty || answer != nil }

    /// Whether this moment has a modality.
    public func has(_ modality: String) -> Bool {
        modality == MultimodalConfiguration.textName ? !text.isEmpty : senses[modality] != nil
    }
}

/// One modality's features at the time of a moment.
public struct SenseInput: Codable, Sendable, Equatable {
    /// The number of rows: points in time, patches, …
    public var rows: Int
    /// The number of features of a row.
    public var columns: Int
    /// rows × columns numbers, row by row.
    public var values: [Float] { didSet { areFinite = values.areFinite } }
    /// Whether every value is finite; found once.
    public private(set) var areFinite: Bool
    /// Seconds from the reading to the moment's end.
    public var age: Float
    /// From 0, useless, to 1, fully valid.
    public var validity: Float

    public init(rows: Int, columns: Int, values: [Float], age: Float = 0, validity: Float = 1) {
        precondition(rows >= 0 && columns >= 0 && values.count == rows * columns, "\(values.count) values for \(rows) × \(columns)")
        self.rows = rows
        self.columns = columns
        self.values = values
        self.age = age
        self.validity = validity
        areFinite = values.areFinite
    }

    /// Of values that were found finite before.
    public init(rows: Int, columns: Int, values: FiniteValues, age: Float = 0, validity: Float = 1) {
        let count = values.numbers.count
        precondition(rows >= 0 && columns >= 0 && count == rows * columns, "\(count) values for \(rows) × \(columns)")
        self.rows = rows
        self.columns = columns
        self.values = values.numbers
        self.age = age
        self.validity = validity
        areFinite = true
    }
}

/// Values are coded as the base64 of their little-endian bytes: exact, and a fifth of the size of decimal digits.
extension SenseInput {
    private enum CodingKeys: CodingKey { case rows, columns, values, age, validity }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let data = try container.decode(Data.self, forKey: .values)
        let (rows, columns) = (try container.decode(Int.self, forKey: .rows), try container.decode(Int.self, forKey: .columns))
        let (count, overflows) = rows.multipliedReportingOverflow(by: columns)
        guard rows >= 0, columns >= 0, !overflows, data.count.isMultiple(of: 4), data.count / 4 == count else {
            throw DecodingError.dataCorruptedError(
                forKey: .values, in: container, debugDescription: "\(data.count) bytes for \(rows) × \(columns) values")
        }
        self.init(
            rows: rows, columns: columns,
            values: data.withUnsafeBytes { bytes in
                (0..<count).map { Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))) }
            }, age: try container.decode(Float.self, forKey: .age), validity: try container.decode(Float.self, forKey: .validity))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(rows, forKey: .rows)
        try container.encode(columns, forKey: .columns)
        try container.encode(values.map(\.bitPattern.littleEndian).withUnsafeBytes { Data($0) }, forKey: .values)
        try container.encode(age, forKey: .age)
        try container.encode(validity, forKey: .validity)
    }
}
