import Foundation

/// What a graph takes of the machine over time: memory, descriptors and threads of its processes, and disk.
final class ResourceUse {
    struct Line: Encodable {
        var first = 0.0
        var last = 0.0
        var mean = 0.0
        /// Per hour, by least squares over the second half; and its standard error.
        var slope = 0.0
        var error = 0.0
        /// Whether over the time measured it grew by less than three standard errors, or by less than a twentieth of its mean.
        var isFlat = true
    }

    struct Trend: Encodable {
        var samples = 0
        var hours = 0.0
        var memoryMB = Line()
        /// By the name of the processes, of all of that name: `accrete` is never killed.
        var memoryByProcess: [String: Line] = [:]
        var descriptors = Line()
        var threads = Line()
        var diskMB = Line()
        /// Of both cores, in the mean.
        var processorShare = 0.0

        var isFlat: Bool { [memoryMB, descriptors, threads, diskMB].allSatisfy(\.isFlat) }
    }

    private struct Sample {
        var at: Double
        var memory: [String: Double] = [:], descriptors = 0.0, threads = 0.0, disk = 0.0
    }

    private let graph: FaultyGraph
    private var samples: [Sample] = []
    /// Processor time by process, in seconds: of what has ended the last known.
    private var processor: [Int32: Double] = [:]

    init(of graph: FaultyGraph) { self.graph = graph }

    func sample() {
        let own = graph.process.processIdentifier
        let stages = graph.processes(of: ["ingest", "extract", "fuse", "learn", "evaluate"]).map(\.id)
        // While one is missing, or has just begun, the sum says nothing.
        for id in [own] + stages { processor[id] = seconds(of: id) ?? processor[id] }
        guard stages.count >= 6, stages.allSatisfy({ age(of: $0) > 8 }) else { return }
        var sample = Sample(at: monotonicSeconds())
        for id in [own] + stages {
            let status = (try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)) ?? ""  // it may have ended meanwhile
            sample.memory[Processes.name(of: id), default: 0] += number("VmRSS:", in: status) / 1024
            sample.threads += number("Threads:", in: status)
            sample.descriptors += Double((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/fd"))?.count ?? 0)
        }
        sample.disk = size(of: graph.directory) / 1_048_576
        samples.append(sample)
    }

    private func number(_ key: String, in status: String) -> Double {
        status.split(separator: "\n").first { $0.hasPrefix(key) }.flatMap { Double($0.split(whereSeparator: \.isWhitespace)[1]) } ?? 0
    }

    private func fields(of id: Int32) -> [Substring] {
        let line = (try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8)) ?? ""
        return line.drop { $0 != ")" }.split(separator: " ")
    }

    private func seconds(of id: Int32) -> Double? {
        let fields = fields(of: id)
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return nil }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private func age(of id: Int32) -> Double {
        let fields = fields(of: id)
        guard fields.count > 20, let started = Double(fields[20]) else { return 0 }
        var now = timespec()
        clock_gettime(CLOCK_BOOTTIME, &now)
        return Double(now.tv_sec) - started / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private func size(of directory: String) -> Double {
        guard let files = FileManager.default.enumerator(atPath: directory) else { return 0 }
        var bytes = 0.0
        for case let name as String in files {
            let attributes = try? FileManager.default.attributesOfItem(atPath: directory + "/" + name)  // it may be gone
            if attributes?[.type] as? FileAttributeType == .typeRegular { bytes += (attributes?[.size] as? Double) ?? 0 }
        }
        return bytes
    }

    var trend: Trend {
        var trend = Trend(samples: samples.count)
        guard let first = samples.first, let last = samples.last, last.at > first.at else { return trend }
        trend.hours = (last.at - first.at) / 3600
        trend.memoryMB = line { $0.memory.values.reduce(0, +) }
        for name in first.memory.keys { trend.memoryByProcess[name] = line { $0.memory[name] ?? 0 } }
        trend.descriptors = line(\.descriptors)
        trend.threads = line(\.threads)
        trend.diskMB = line(\.disk)
        trend.processorShare = processor.values.reduce(0, +) / (last.at - first.at) / Double(ProcessInfo.processInfo.processorCount)
        return trend
    }

    private func line(_ value: (Sample) -> Double) -> Line {
        // The first half fills caches and the journal up to its bound.
        let half = Array(samples.suffix(samples.count / 2)), count = Double(half.count)
        var line = Line(first: samples.first.map(value) ?? 0, last: samples.last.map(value) ?? 0)
        guard half.count > 8 else { return line }
        let hours = half.map { ($0.at - half[0].at) / 3600 }, y = half.map(value)
        line.mean = y.reduce(0, +) / count
        let middle = hours.reduce(0, +) / count
        let spread = hours.reduce(0) { $0 + ($1 - middle) * ($1 - middle) }
        line.slope = zip(hours, y).reduce(0) { $0 + ($1.0 - middle) * ($1.1 - line.mean) } / spread
        let rest = zip(hours, y).reduce(0) { sum, pair in
            let off = pair.1 - line.mean - line.slope * (pair.0 - middle)
            return sum + off * off
        }
        line.error = (rest / (count - 2) / spread).squareRoot()
        let grown = line.slope * (hours.last ?? 0)
        line.isFlat = line.slope <= 3 * line.error || grown < 0.05 * line.mean
        return line
    }
}

extension ResourceUse.Trend {
    var lines: [String] {
        let processes = memoryByProcess.sorted { $0.key < $1.key }.map { ("of it \($0.key)", $0.value) }
        let named = [("memory, MB", memoryMB)] + processes + [("descriptors", descriptors), ("threads", threads), ("disk, MB", diskMB)]
        let share = Int(100 * processorShare)
        return ["\(samples) samples in \(Int(60 * hours)) minutes, processor \(share) %"]
            + named.map { name, line in
                String(
                    format: "  %@: first %.1f, last %.1f, mean of the second half %.1f, slope an hour %.2f ± %.2f, %@", name, line.first,
                    line.last, line.mean, line.slope, line.error, line.isFlat ? "flat" : "GROWS")
            }
    }
}
