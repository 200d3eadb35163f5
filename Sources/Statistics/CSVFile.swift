import Foundation

/// A comma-separated file with a header line; fields may be quoted, with quotes doubled inside.
/// https://www.rfc-editor.org/rfc/rfc4180
public struct CSVFile: Sendable {
    public enum Failure: Error, Equatable, CustomStringConvertible {
        case unreadable(path: String, why: String)
        case noHeader(path: String)
        case noColumn(String, columns: [String])
        case notANumber(row: Int, line: Int, column: String, text: String)

        public var description: String {
            switch self {
            case .unreadable(let path, let why): "cannot read \(path): \(why)"
            case .noHeader(let path): "\(path) is empty; its first line should name the columns"
            case .noColumn(let name, let columns): "there is no column '\(name)'; there are \(columns.joined(separator: ", "))"
            case .notANumber(let row, let line, let column, let text):
                "row \(row) (line \(line)): column '\(column)' holds '\(text.prefix(40))', which is not a finite number"
            }
        }
    }

    public let columns: [String]
    /// The file's records after the header: their fields, and the line each begins on.
    private let records: [(fields: [String], line: Int)]

    public init(path: String) throws(Failure) {
        let bytes: Data
        do {
            bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw .unreadable(path: path, why: error.localizedDescription)
        }
        var records = parse(bytes)
        guard !records.isEmpty else { throw .noHeader(path: path) }
        columns = records.removeFirst().fields
        self.records = records
    }

    public var rowCount: Int { records.count }

    /// The numbers of one column, from row 0.
    public func numbers(of column: String) throws(Failure) -> [Double] {
        guard let index = columns.firstIndex(of: column) else { throw .noColumn(column, columns: columns) }
        var numbers: [Double] = []
        numbers.reserveCapacity(records.count)
        for (row, record) in records.enumerated() {
            let text = index < record.fields.count ? record.fields[index].trimmingCharacters(in: .whitespaces) : ""
            guard let x = Double(text), x.isFinite else { throw .notANumber(row: row, line: record.line, column: column, text: text) }
            numbers.append(x)
        }
        return numbers
    }

    /// The texts of one column, from row 0; empty where a row is too short.
    public func texts(of column: String) throws(Failure) -> [String] {
        guard let index = columns.firstIndex(of: column) else { throw .noColumn(column, columns: columns) }
        return records.map { index < $0.fields.count ? $0.fields[index] : "" }
    }
}

/// Splits bytes into records; lines without any byte are skipped.
private func parse(_ bytes: Data) -> [(fields: [String], line: Int)] {
    var records: [(fields: [String], line: Int)] = []
    var fields: [String] = [], field: [UInt8] = []
    var line = 1, start = 1
    var quoted = false, closed = false

    func text() -> String { String(decoding: field, as: UTF8.self) }
    func endRecord() {
        if !fields.isEmpty || !field.isEmpty || closed { records.append((fields + [text()], start)) }
        fields = []
        field = []
        closed = false
        start = line
    }

    for byte in bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes {
        if byte == UInt8(ascii: "\n") { line += 1 }
        switch byte {
        case UInt8(ascii: "\"") where quoted:
            quoted = false
            closed = true
        case UInt8(ascii: "\"") where closed:
            field.append(byte)
            quoted = true
            closed = false
        case UInt8(ascii: "\"") where field.isEmpty:
            quoted = true
        case _ where quoted:
            field.append(byte)
        case UInt8(ascii: ","):
            fields.append(text())
            field = []
            closed = false
        case UInt8(ascii: "\n"):
            endRecord()
        case UInt8(ascii: "\r"):
            continue
        default:
            field.append(byte)
        }
    }
    endRecord()
    return records
}
