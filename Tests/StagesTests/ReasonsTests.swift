import Foundation
import Signals
import Testing
@testable import Timing

struct ReasonsTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Every reason that is declared in the sources.
    private func declared() throws -> Set<String> {
        let sources = Self.root.appendingPathComponent("Sources")
        let files = FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL } ?? []
        let names = try files.filter { $0.pathExtension == "swift" }.flatMap { file in
            try String(contentsOf: file, encoding: .utf8).matches(of: /Reason\(rawValue: "([A-Za-z]+)"\)/).map { String($0.1) }
        }
        return Set(names).union(SignalRefusal.Reason.allCases.map(\.rawValue)).union(CutRefusal.allCases.map(\.rawValue))
            .union(MomentAligner.Refusal.allCases.map(\.rawValue))
    }

    /// The contract explains each reason, the README what to do about it.
    @Test(arguments: ["schemas/README.md", "README.md"])
    func everyReasonOfRefusalIsExplained(file: String) throws {
        let text = try String(contentsOf: Self.root.appendingPathComponent(file), encoding: .utf8)
        let rows = text.split(separator: "\n").filter { $0.hasPrefix("| `") }
        let explained = Set(rows.flatMap { row in row.split(separator: "|")[0].matches(of: /`([A-Za-z]+)`/).map { String($0.1) } })
        let reasons = try declared()
        #expect(reasons.count > 30, "\(reasons.sorted())")
        #expect(reasons.subtracting(explained).isEmpty, "\(reasons.subtracting(explained).sorted())")
    }
}
