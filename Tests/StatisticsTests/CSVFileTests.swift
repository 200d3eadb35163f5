import Foundation
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

    @Test func readsQuotedFields() throws {
        let csv = try file("\"a,b\",c\n\"say \"\"no\"\"\nand go\",1\n\"\",2\n")
        #expect(try csv.texts(of: "a,b") == ["say \"no\"\nand go", ""])
        #expect(try csv.numbers(of: "c") == [1, 2])
    }

    @Test func namesTheColumnsThereAre() throws {
        #expect(throws: CSVFile.Failure.noColumn("z", columns: ["a", "b"])) { try file("a,b\n1,2\n").numbers(of: "z") }
    }

    @Test(arguments: ["x", "", "nan", "inf", "1e999"])
    func namesTheRowThatHoldsNoNumber(_ text: String) throws {
        let csv = try file("a,b\n1,2\n\n3,\(text)\n")
        #expect(throws: CSVFile.Failure.notANumber(row: 1, line: 4, column: "b", text: text)) { try csv.numbers(of: "b") }
    }

    @Test func refusesWhatIsNotThereOrEmpty() throws {
        #expect(throws: CSVFile.Failure.self) { try CSVFile(path: "/nonexistent.csv") }
        #expect(throws: CSVFile.Failure.self) { try file("") }
    }
}
