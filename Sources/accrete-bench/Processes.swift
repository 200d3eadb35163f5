import Foundation

/// Processes of this machine.
enum Processes {
    static func children(of parent: Int32) -> [Int32] {
        let ids = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap { Int32($0) } ?? []
        return ids.filter { id in
            let status = (try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8)) ?? ""  // it may have ended meanwhile
            let fields = status.drop { $0 != ")" }.split(separator: " ")
            return fields.count > 2 && Int32(fields[2]) == parent
        }
    }

    /// The name of a process's executable; empty where it has ended.
    static func name(of id: Int32) -> String {
        let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/exe")) ?? ""  // it may have ended meanwhile
        return URL(fileURLWithPath: path).lastPathComponent
    }
}
