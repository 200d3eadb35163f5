import Foundation
import Testing

/// The modules as `Package.swift` declares them, as their sources import them, and as `README.md` shows them.
struct ModulesTests {
    private struct Module {
        var name: String
        /// Nil for test targets.
        var floor: Int?
        var dependencies: [String]
        var directory: String
    }

    private static let root = Graph.root
    private let text = (try? String(contentsOfFile: root + "/Package.swift", encoding: .utf8)) ?? ""

    /// Products of other packages by the names that `Package.swift` gives them.
    private var products: [String: String] {
        let found = text.matches(of: /let (\w+) = Target\.Dependency\.product\(name: "(\w+)"/)
        return Dictionary(found.map { (String($0.1), String($0.2)) }, uniquingKeysWith: { first, _ in first })
    }

    /// In the order of the file.
    private var modules: [Module] {
        var modules: [Module] = []
        var floor: Int?
        let pattern =
            #/
            let\sfloor(\d):
            | let\s(checks):
            | (module|command|tests|system)\(\s*"([\w-]+)"(?:,\s*\[([^\]]*)\])?
            | \.target\(name:\s"(\w+)"(?:,\sdependencies:\s\[([^\]]*)\])?(,\spath)?
            /#
        for match in text.matches(of: pattern) {
            if let number = match.1 { floor = Int(number) }
            if match.2 != nil { floor = nil }
            let words = (match.5 ?? match.7 ?? "").split(separator: ",").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
            let names = words.filter { !$0.isEmpty }.map { word in
                word.hasPrefix("\"") ? String(word.dropFirst().dropLast()) : products[word] ?? word
            }
            if let kind = match.3, let name = match.4, name != "name" {
                let directory = kind == "tests" ? "Tests/\(name)Tests" : "Sources/\(name)"
                modules.append(
                    Module(name: kind == "tests" ? "\(name)Tests" : String(name), floor: floor, dependencies: names, directory: directory))
            } else if let name = match.6 {
                let directory = match.8 == nil ? "Sources/\(name)" : "Tests/Support/\(name)"
                modules.append(Module(name: String(name), floor: floor, dependencies: names, directory: directory))
            }
        }
        return modules
    }

    private func imports(of module: Module) -> Set<String> {
        let files = FileManager.default.enumerator(atPath: "\(Self.root)/\(module.directory)")?.compactMap { $0 as? String } ?? []
        var imports: Set<String> = []
        for file in files where file.hasSuffix(".swift") {
            let source = (try? String(contentsOfFile: "\(Self.root)/\(module.directory)/\(file)", encoding: .utf8)) ?? ""
            for match in source.matches(of: /^(?:@testable )?import (?:struct |class |enum |func )?(\w+)/.anchorsMatchLineEndings()) {
                imports.insert(String(match.1))
            }
        }
        return imports
    }

    @Test func everyImportIsDeclaredAndEveryDependencyIsImported() {
        let modules = modules, known = Set(modules.map(\.name)).union(products.values)
        #expect(modules.count > 50, "\(modules.map(\.name))")
        for module in modules where !module.name.hasPrefix("C") {
            let imported = imports(of: module).intersection(known).subtracting([module.name]), declared = Set(module.dependencies)
            #expect(
                imported == declared,
                "\(module.name): undeclared \(imported.subtracting(declared)), unused \(declared.subtracting(imported))")
        }
    }

    @Test func aModuleDependsOnModulesAboveItInTheFileAlone() {
        var above: Set<String> = []
        for module in modules where module.floor != nil {
            let own = Set(module.dependencies).subtracting(products.values)
            #expect(own.isSubset(of: above), "\(module.name) depends on \(own.subtracting(above)), which come after it")
            above.insert(module.name)
        }
    }

    @Test func anExecutableLinksNoMoreThanItsStageNeeds() {
        let byName = Dictionary(modules.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        func linked(_ name: String) -> Set<String> {
            (byName[name]?.dependencies ?? []).reduce([name]) { $0.union(linked($1)) }
        }
        #expect(linked("accrete-ingest").isDisjoint(with: ["COpenBLAS", "Tensors", "Model", "Learning", "Signals"]))
        #expect(linked("accrete-extract").isDisjoint(with: ["COpenBLAS", "Tensors", "Model", "Learning"]))
        #expect(
            linked("accrete-fuse").isDisjoint(with: ["Learn", "Evaluate"])
                && linked("accrete-evaluate").isDisjoint(with: ["Learn", "Fuse"]))
    }

    @Test func theTableOfTheReadmeShowsTheModulesByFloor() throws {
        let readme = try String(contentsOfFile: Self.root + "/README.md", encoding: .utf8)
        let block = try #require(readme.firstMatch(of: /(?s)<!-- modules -->(.*?)<!-- \/modules -->/)).1
        for floor in 0...7 {
            let row = try #require(block.split(separator: "\n").first { $0.hasPrefix("| \(floor) |") }, "no row of floor \(floor)")
            let shown = Set(row.matches(of: /`([\w-]+)`/).map { String($0.1) })
            let declared = Set(modules.filter { $0.floor == floor && !Self.systemLibraries.contains($0.name) }.map(\.name))
            #expect(shown == declared, "floor \(floor): missing \(declared.subtracting(shown)), too many \(shown.subtracting(declared))")
        }
    }

    /// The table calls them so together.
    private static let systemLibraries = ["COpenBLAS", "CZeroMQ", "CTurboJPEG", "CPNG", "CSndFile", "CCrypto", "CZstd", "CLZ4"]
}
