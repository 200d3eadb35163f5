import Files
import Foundation

/// A file of fields separated by commas, or by what the caller allows beside them, with a header line, read as pandas reads it: fields may be quoted, with quotes doubled inside; lines end with
/// LF, CR or both; empty lines and those of spaces are skipped.  https://www.rfc-editor.org/rfc/rfc4180
public struct CSVFile: Sendable {
    public enum Failure: Error, Equatable, CustomStringConvertible {
        case unreadable(path: String, why: String)
        case noHeader(path: String)
        case noColumn(String, columns: [String])
        case notANumber(row: Int, line: Int, column: String, text: String)
        case tooManyFields(row: Int, line: Int, fields: Int, columns: Int)
        case unclosedQuote(row: Int, line: Int)

        public var description: String {
            switch self {
            case .unreadable(let path, let why): "cannot read \(path): \(why)"
            case .noHeader(let path): "\(path) is empty; its first line should name the columns"
            case .noColumn(let name, let columns):
                "there is no column '\(Self.short(name))'; there are "
                    + columns.prefix(Self.shownColumns).map(Self.short).joined(separator: ", ")
                    + (columns.count > Self.shownColumns ? " and \(columns.count - Self.shownColumns) more" : "")
            case .notANumber(let row, let line, let column, let text):
                "row \(row) (line \(line)): column '\(Self.short(column))' holds '\(Self.short(text))', which is not a finite number"
            case .tooManyFields(let row, let line, let fields, let columns):
                "row \(row) (line \(line)) has \(fields) fields for \(columns) columns"
            case .unclosedQuote(let row, let line): "row \(row) (line \(line)) has a quote that is never closed"
            }
        }

        private static let shownColumns = 16

        private static func short(_ text: String) -> String { String(text.prefix(40)) }
    }

    public let columns: [String]
    /// The file's records after the header.
    private let records: [Record]

    /// The maximum size of a file, in bytes.
    public static let byteLimit = 1 << 30

    /// Reads a file.
    /// - Parameters:
    ///   - path: a file, or a pipe.
    ///   - separators: what may separate fields, in ASCII; the one that comes first in the header line does.
    /// - Throws: `unreadable`, also for more than `byteLimit` bytes; `noHeader`, `tooManyFields`, `unclosedQuote`.
    public init(path: String, separators: [Character] = [","]) throws(Failure) {
        let bytes: [UInt8]
        do { bytes = try readFile(path, atMost: Self.byteLimit, streams: true) } catch { throw .unreadable(path: path, why: error.cause) }
        var scanner = RecordScanner(bytes, separators: separators.compactMap(\.asciiValue))
        guard let header = try scanner.next(row: 0) else { throw .noHeader(path: path) }
        var records: [Record] = []
        while let record = try scanner.next(row: records.count) {
            guard record.fields.count <= header.fields.count else {
                throw .tooManyFields(row: records.count, line: record.line, fields: record.fields.count, columns: header.fields.count)
            }
            records.append(record)
        }
        columns = header.fields
        self.records = records
    }

    public var rowCount: Int { records.count }

    /// The numbers of one column, from row 0: decimal and finite, with or without surrounding spaces.
    /// - Throws: `noColumn`, `notANumber`.
    public func numbers(of column: String) throws(Failure) -> [Double] {
        guard let index = columns.firstIndex(of: column) else { throw .noColumn(column, columns: columns) }
        var numbers: [Double] = []
        numbers.reserveCapacity(records.count)
        for (row, record) in records.enumerated() {
            let text = index < record.fields.count ? record.fields[index].trimmingCharacters(in: Self.spaces) : ""
            guard let x = Self.number(text) else { throw .notANumber(row: row, line: record.line, column: column, text: text) }
            numbers.append(x)
        }
        return numbers
    }

    private static let spaces = CharacterSet(charactersIn: " \t\n\r\u{B}\u{C}")

    /// Accepts decimal numbers only, not the hexadecimal ones and the words (`inf`, `nan`) that `Double` accepts too.
    private static func number(_ text: String) -> Double? {
        let isDecimal = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "e"),
                UInt8(ascii: "E"):
                true
            default: false
            }
        }
        guard isDecimal, let x = Double(text), x.isFinite else { return nil }
        return x
    }

    /// The texts of one column, from row 0; empty where a row has no such field.
    /// - Throws: `noColumn`.
    public func texts(of column: String) throws(Failure) -> [String] {
        guard let index = columns.firstIndex(of: column) else { throw .noColumn(column, columns: columns) }
        return records.map { index < $0.fields.count ? $0.fields[index] : "" }
    }
}

private struct Record {
    var fields: [String]
    var line: Int
}

/// Splits bytes into records, one at each call of `next`.
private struct RecordScanner {
    private let bytes: [UInt8]
    private let separator: UInt8
    private var position: Int
    private var line = 1

    init(_ bytes: [UInt8], separators: [UInt8]) {
        self.bytes = bytes
        let header = bytes.prefix { $0 != 0x0A && $0 != 0x0D }
        separator = header.first(where: separators.contains) ?? UInt8(ascii: ",")
        position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    }

    /// The next record that is not blank; nil at the end of the file.
    mutating func next(row: Int) throws(CSVFile.Failure) -> Record? {
        while position < bytes.count {
            let start = position, line = line
            let fields = try fields(row: row)
            let isBlank = bytes[start..<position].allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
            if !isBlank { return Record(fields: fields, line: line) }
        }
        return nil
    }

    /// Reads the fields of a record and moves past its end.
    private mutating func fields(row: Int) throws(CSVFile.Failure) -> [String] {
        var fields: [String] = [], field: [UInt8] = []
        let start = line
        var isQuoted = false, isClosed = false
        func text() -> String { String(decoding: field, as: UTF8.self) }
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            let endsLine = byte == 0x0A || byte == 0x0D
            if endsLine {
                line += 1
                // CR LF ends one line, not two.
                let isPair = byte == 0x0D && position < bytes.count && bytes[position] == 0x0A
                if isPair { position += 1 }
                if !isQuoted { return fields + [text()] }
                field.append(contentsOf: isPair ? [0x0D, 0x0A] : [byte])
                continue
            }
            switch byte {
            case UInt8(ascii: "\"") where isQuoted:
                isQuoted = false
                isClosed = true
            case UInt8(ascii: "\"") where isClosed:
                field.append(byte)
                isQuoted = true
                isClosed = false
            case UInt8(ascii: "\"") where field.isEmpty:
                isQuoted = true
            case separator where !isQuoted:
                fields.append(text())
                field = []
                isClosed = false
            default:
                field.append(byte)
                if !isQuoted { isClosed = false }
            }
        }
        guard !isQuoted else { throw .unclosedQuote(row: row, line: start) }
        return fields + [text()]
    }
}
