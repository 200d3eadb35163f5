import Files
import Foundation
import Stages

/// When each process of a graph was last heard of, and which of them hang.
///
/// Time counts only while somebody looks: a machine that slept, or a supervisor that was stopped, has missed nothing.
struct LifeSigns {
    private struct Process {
        var name: String
        var number: Int32
        /// When it was started or last told something.
        var heard: Double
        var hasTold = false
        /// Processor time that it had used, in ticks, and when that last changed.
        var work: UInt64 = 0
        var worked: Double
    }

    private let settings: SuperviseSettings
    private let processorTime: (Int32) -> UInt64?
    private var processes: [String: Process] = [:]
    private var lastLook: Double?
    /// Seconds that were watched.
    private(set) var watched = 0.0

    /// How much longer a process that works may be silent.
    private static let busyFactor = 30.0
    /// What passes between two looks counts as at most this, in seconds.
    private static let longestLook = 2.0

    init(_ settings: SuperviseSettings, processorTime: @escaping (Int32) -> UInt64? = Self.processorTime) {
        self.settings = settings
        self.processorTime = processorTime
    }

    mutating func started(_ name: String, _ number: Int32) {
        processes[name] = Process(name: name, number: number, heard: watched, worked: watched)
    }

    mutating func ended(_ name: String) { processes[name] = nil }

    mutating func heard(process number: Int32) {
        guard let name = processes.values.first(where: { $0.number == number })?.name else { return }
        processes[name]?.heard = watched
        processes[name]?.hasTold = true
    }

    /// Lets time pass up to `seconds`.
    mutating func look(at seconds: Double) {
        watched += min(max(0, seconds - (lastLook ?? seconds)), Self.longestLook)
        lastLook = seconds
        for (name, process) in processes {
            guard let work = processorTime(process.number), work != process.work else { continue }
            processes[name]?.work = work
            processes[name]?.worked = watched
        }
    }

    /// Those that have told nothing for too long.
    var hanging: [(name: String, process: Int32, hang: Hang)] {
        processes.values.sorted { $0.name < $1.name }.compactMap { process in
            // What has not told anything yet may be reading a large model, or waiting for others.
            let limit = process.hasTold ? settings.silence : settings.startTimeout + settings.silence
            let silent = watched - process.heard
            let isIdle = watched - max(process.heard, process.worked) > limit, isBusy = silent > limit * Self.busyFactor
            return isIdle || isBusy ? (process.name, process.number, Hang(seconds: Int(silent), isBusy: !isIdle)) : nil
        }
    }

    /// Ticks of processor time that a process has used (`utime` and `stime` of proc_pid_stat(5)); nil where there is no such process.
    static func processorTime(of process: Int32) -> UInt64? {
        guard let bytes = try? readFile("/proc/\(process)/stat", atMost: 4096) else { return nil }
        // The name, in parentheses, may hold anything.
        let fields = String(decoding: bytes, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = UInt64(fields[11]), let system = UInt64(fields[12]) else { return nil }
        return user &+ system
    }
}
