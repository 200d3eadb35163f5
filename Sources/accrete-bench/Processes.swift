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

    /// The resident size of this process in bytes, with the pages of mapped files and of the program; 0 where unknown.
    static var resident: Int { memory("VmRSS:") }

    /// The part of it that is in no file; 0 where unknown.
    static var heap: Int { memory("RssAnon:") }

    /// A line of /proc/self/status, in bytes; see proc(5).
    private static func memory(_ name: String) -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""  // 0 says that it is unknown
        let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
        return line.flatMap { Int($0.filter(\.isNumber)) }.map { $0 << 10 } ?? 0
    }
}
