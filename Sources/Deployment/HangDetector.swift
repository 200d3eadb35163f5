import Files
import Foundation
import Configuration

/// Detects hung processes of a graph: records when each process last sent a status and last used processor time.
///
/// Time is counted only while the supervisor runs, so that suspending the machine or the supervisor does not make processes appear hung.
struct HangDetector {
    private struct Process {
        var name: String
        var number: Int32
        /// The time of its start or its last status.
        var lastStatus: Double
        var hasSentStatus = false
        /// The processor time that it has used, in ticks.
        var processorTime: UInt64 = 0
        /// The time at which `processorTime` last changed.
        var lastActive: Double
    }

    private let settings: SuperviseSettings
    private let processorTime: (Int32) -> UInt64?
    private var processes: [String: Process] = [:]
    private var lastUpdate: Double?
    /// The time counted so far, in seconds.
    private(set) var elapsed = 0.0

    /// How many times longer a process may send no status while it uses processor time.
    private static let busyFactor = 30.0
    /// The maximum time counted between two calls of `update`, in seconds.
    private static let longestStep = 2.0

    init(_ settings: SuperviseSettings, processorTime: @escaping (Int32) -> UInt64? = Self.processorTime) {
        self.settings = settings
        self.processorTime = processorTime
    }

    mutating func started(_ name: String, _ number: Int32) {
        processes[name] = Process(name: name, number: number, lastStatus: elapsed, lastActive: elapsed)
    }

    mutating func ended(_ name: String) { processes[name] = nil }

    mutating func receivedStatus(from number: Int32) {
        guard let name = processes.values.first(where: { $0.number == number })?.name else { return }
        processes[name]?.lastStatus = elapsed
        processes[name]?.hasSentStatus = true
    }

    /// Advances time to `seconds` and reads the processor times.
    mutating func update(at seconds: Double) {
        elapsed += min(max(0, seconds - (lastUpdate ?? seconds)), Self.longestStep)
        lastUpdate = seconds
        for (name, process) in processes {
            guard let used = processorTime(process.number), used != process.processorTime else { continue }
            processes[name]?.processorTime = used
            processes[name]?.lastActive = elapsed
        }
    }

    /// The processes that have sent no status for too long.
    var hanging: [(name: String, process: Int32, hang: Hang)] {
        processes.values.sorted { $0.name < $1.name }.compactMap { process in
            // Before its first status a process may be reading a large model, or waiting for others.
            let limit = process.hasSentStatus ? settings.silence : settings.startTimeout + settings.silence
            let silent = elapsed - process.lastStatus
            let isIdle = elapsed - max(process.lastStatus, process.lastActive) > limit, isBusy = silent > limit * Self.busyFactor
            return isIdle || isBusy ? (process.name, process.number, Hang(seconds: Int(silent), isBusy: !isIdle)) : nil
        }
    }

    /// The processor time that a process has used, in ticks (`utime` + `stime` of proc_pid_stat(5)); nil if there is no such process.
    static func processorTime(of process: Int32) -> UInt64? {
        guard let bytes = try? readFile("/proc/\(process)/stat", atMost: 4096) else { return nil }
        // The name, in parentheses, may contain any characters.
        let fields = String(decoding: bytes, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = UInt64(fields[11]), let system = UInt64(fields[12]) else { return nil }
        return user &+ system
    }
}
