import Foundation

/// The memory of this process and of the machine.
public enum ProcessMemory {
    /// Bytes that a process may still allocate without the machine having to swap; nil where unknown (`MemAvailable` in
    /// proc_meminfo(5)).
    public static var available: Int? {
        meminfo("MemAvailable:")
    }

    /// Bytes that all processes may use: the machine's memory, or the limit of the control group where that is less; nil where unknown
    /// (`MemTotal` in proc_meminfo(5), `memory.max` of cgroups(7)).
    public static var machine: Int? {
        let groups = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""  // no control groups, no limit of theirs
        var path = groups.split(separator: "\n").first { $0.hasPrefix("0::/") }.map { "/sys/fs/cgroup" + $0.dropFirst(3) } ?? ""
        var limits = [meminfo("MemTotal:")]
        while path.hasPrefix("/sys/fs/cgroup/") {
            let text = try? String(contentsOfFile: path + "/memory.max", encoding: .utf8)  // "max" and no file are no limit
            limits.append(text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) })
            path = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        }
        return limits.compactMap(\.self).min()
    }

    private static func meminfo(_ name: String) -> Int? {
        guard let memory = try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8),
            let line = memory.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
            let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else { return nil }
        return kilobytes << 10
    }

    /// The greatest resident size so far, bytes; 0 where unknown (`VmHWM` in proc(5)).
    public static var peak: UInt64 {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let kilobytes = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap({ UInt64($0) })
        else { return 0 }
        return kilobytes << 10
    }
}
