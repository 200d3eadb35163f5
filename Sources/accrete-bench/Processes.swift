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

    /// The resident size of this process in bytes, with the pages of mapped files; 0 where unknown (`VmRSS` in proc(5)).
    static var resident: Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""  // 0 says that it is unknown
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line.flatMap { Int($0.filter(\.isNumber)) }.map { $0 << 10 } ?? 0
    }
}
