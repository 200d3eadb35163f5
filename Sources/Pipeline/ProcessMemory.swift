import Foundation

/// What this process has used of the machine.
public enum ProcessMemory {
    /// What a process may still take without the machine having to swap, bytes; nil where the system does not tell
    /// (`MemAvailable` in proc_meminfo(5)).
    public static var available: Int? {
        guard let memory = try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8),
            let line = memory.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }),
            let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else { return nil }
        return kilobytes << 10
    }

    /// The greatest resident size so far, bytes; 0 where the system does not tell (`VmHWM` in proc(5)).
    public static var peak: UInt64 {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let kilobytes = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap({ UInt64($0) })
        else { return 0 }
        return kilobytes << 10
    }
}
