import Foundation
import Glibc
import Statistics
import Testing

private func file(_ text: String) throws -> CSVFile {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).csv")
    try Data(text.utf8).write(to: path)
    defer { try? FileManager.default.removeItem(at: path) }
    return try CSVFile(path: path.path)
}

@Suite struct CSVFileTests {
    @Test func readsNumbersByColumn() throws {
        let csv = try file("a,b\n1,2\r\n 3 ,-4e-1\n")
        #expect(csv.columns == ["a", "b"] && csv.rowCount == 2)
        #expect(try csv.numbers(of: "a") == [1, 3] && csv.numbers(of: "b") == [2, -0.4])
    }

    @Test func fieldsAreSeparatedByWhatTheHeaderHasFirst() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).csv")
        defer { try? FileManager.default.removeItem(at: folder) }
        for (text, a) in [("a\tb,c\n1,5\t2\n", ["1,5"]), ("a,b\tc\n1\t5,2\n", ["1\t5"]), ("a\n7\n", ["7"])] {
            try Data(text.utf8).write(to: folder)
            #expect(try CSVFile(path: folder.path, separators: [",", "\t"]).texts(of: "a") == a)
        }
    }

    @Test func readsQuotedFields() throws {
        let csv = try file("\"a,b\",c\n\"say \"\"no\"\"\nand go\",1\n\"\",2\n")
        #expect(try csv.texts(of: "a,b") == ["say \"no\"\nand go", ""])
        #expect(try csv.numbers(of: "c") == [1, 2])
    }

    @Test func namesTheColumnsThereAre() throws {
        #expect(throws: CSVFile.Failure.noColumn("z", columns: ["a", "b"])) { try file("a,b\n1,2\n").numbers(of: "z") }
    }

    private static let texts: [(text: String, numbers: [Double])] = [
        ("x\r1\r\r2\r", [1.0, 2]), ("x\r\n1\r\n2", [1, 2]), ("x\n1\n   \n2\n", [1, 2]), ("x\n\"\r\n1\"\n\"1\"2\n", [1, 12]),
        ("x\n 1\t\n+1\n-.5\n1.\n1E2\n", [1, 1, -0.5, 1, 100]), ("\u{FEFF}x\n1\n", [1]),
    ]

    @Test(arguments: texts)
    func linesEndWithAnyOfTheThreeWaysAndNumbersAreDecimal(text: String, numbers: [Double]) throws {
        #expect(try file(text).numbers(of: "x") == numbers)
    }

    @Test func aRowOfTooManyFieldsAndAQuoteWithoutItsEndAreNamed() throws {
        #expect(throws: CSVFile.Failure.tooManyFields(row: 1, line: 3, fields: 3, columns: 2)) { try file("a,b\n1\n1,2,3\n") }
        #expect(throws: CSVFile.Failure.unclosedQuote(row: 1, line: 3)) { try file("a\n1\n\"2\n3\n") }
        #expect(throws: CSVFile.Failure.notANumber(row: 0, line: 2, column: "b", text: "")) { try file("a,b\n1\n").numbers(of: "b") }
    }

    @Test func aFileOfManyColumnsIsNamedShortly() throws {
        let message = CSVFile.Failure.noColumn("z", columns: Array(repeating: "y", count: 1_000_000)).description
        #expect(message.count < 120 && message.hasSuffix("and 999984 more"))
    }

    @Test func aPipeIsRead() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID())").path
        #expect(mkfifo(path, 0o600) == 0)
        defer { unlink(path) }
        let writer = Thread {
            guard let pipe = fopen(path, "w") else { return }
            fputs("x\n7\n", pipe)
            fclose(pipe)
        }
        writer.start()
        #expect(try CSVFile(path: path).numbers(of: "x") == [7])
    }

    @Test(arguments: ["x", "", "nan", "inf", "1e999", "0x10", "1\0abc", "1_000", "1 2", "1d5", "--1", "\u{A0}1", "１"])
    func namesTheRowThatHoldsNoNumber(_ text: String) throws {
        let csv = try file("a,b\n1,2\n\n3,\(text)\n")
        #expect(throws: CSVFile.Failure.notANumber(row: 1, line: 4, column: "b", text: text)) { try csv.numbers(of: "b") }
    }

    @Test func refusesWhatIsNotThereOrEmpty() throws {
        #expect(throws: CSVFile.Failure.self) { try CSVFile(path: "/nonexistent.csv") }
        #expect(throws: CSVFile.Failure.self) { try file("") }
    }
}
