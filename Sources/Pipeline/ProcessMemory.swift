import Foundation

/// What this process has used of the machine.
public enum ProcessMemory {
    /// The greatest resident size so far, bytes; 0 where the system does not tell (`VmHWM` in proc(5)).
    public static var peak: UInt64 {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let kilobytes = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap({ UInt64($0) })
        else { return 0 }
        return kilobytes << 10
    }
}
