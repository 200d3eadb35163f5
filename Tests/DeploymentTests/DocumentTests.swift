import Foundation
import Testing

/// What documents point to is there.
struct DocumentTests {
    private static let documents = [
        "README.md", "schemas/README.md", "deploy/examples/README.md", "deploy/security.md", "Tests/README.md", "Tests/CONTRIBUTING.md",
        "Sources/Gateway/README.md", "Sources/accrete-bench/Reports/README.md", "Sources/accrete-bench/Reports/applications.md",
        "Sources/accrete-bench/Reports/continual.md",
        "Sources/accrete-bench/Reports/decisions.md", "Sources/accrete-bench/Reports/few-shot.md",
        "Sources/accrete-bench/Reports/fusion.md", "Sources/accrete-bench/Reports/gpt2.md", "Sources/Senses/README.md",
    ]

    @Test(arguments: documents)
    func everyLinkLeadsToAFileAndToAHeadingInIt(document: String) throws {
        let file = URL(fileURLWithPath: Graph.root).appending(path: document)
        let text = try String(contentsOf: file, encoding: .utf8)
        for link in text.matches(of: /\]\(([^)\s]+)\)/).map({ String($0.1) }) where !link.hasPrefix("http") {
            let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let target = parts[0].isEmpty ? file : file.deletingLastPathComponent().appending(path: parts[0])
            #expect(FileManager.default.fileExists(atPath: target.path), "\(document): \(link)")
            guard parts.count == 2 else { continue }
            let headings = try String(contentsOf: target, encoding: .utf8).split(separator: "\n").filter { $0.hasPrefix("#") }
            #expect(headings.contains { anchor(of: $0) == parts[1] }, "\(document): \(link)")
        }
    }

    /// As GitHub calls a heading: lower case, spaces as hyphens, without marks.
    private func anchor(of heading: Substring) -> String {
        heading.drop { $0 == "#" || $0 == " " }.lowercased().replacing(" ", with: "-")
            .filter { $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" }
    }

    /// Paths in code: `deploy/run`, `Sources/OnlineLanguage`. What has a placeholder or a pattern in it is none.
    @Test(arguments: documents)
    func everyPathIsThere(document: String) throws {
        let text = try String(contentsOfFile: "\(Graph.root)/\(document)", encoding: .utf8)
        let paths = text.matches(of: /\b((?:deploy|schemas|Sources|Tests)\/[\w.\/-]+)/).map { String($0.1) }
        for path in paths where path != path.uppercased() && !path.contains("NAME") && !path.contains("FAMILY") && !path.contains("…") {
            let trimmed = path.hasSuffix(".") ? String(path.dropLast()) : path
            let isExample = ["Depth", "Gated"].contains { trimmed.contains($0) }
            #expect(isExample || FileManager.default.fileExists(atPath: "\(Graph.root)/\(trimmed)"), "\(document): \(trimmed)")
        }
    }
}
