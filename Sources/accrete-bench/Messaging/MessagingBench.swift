import ArgumentParser
import Foundation
import Messaging

/// Compares messaging with a plain C loop over libzmq; both run alternately.
struct MessagingBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "messaging",
        abstract: "Throughput and round trips as ratios to plain libzmq in C, run in turns; latency; overload.")

    @Option(help: "How often each pair is run; medians count.")
    var rounds = 5

    @Option(parsing: .upToNextOption, help: "Which of the measurements are made; all where none is named.")
    var only: [Part] = Part.allCases

    @Option(parsing: .upToNextOption, help: "Over which transports throughput and round trips are measured.")
    var transports: [Transport] = Transport.allCases

    @Option(parsing: .upToNextOption, help: "Sizes of payloads of which throughput is measured, bytes.")
    var sizes = [64, 1 << 10, 64 << 10, 1 << 20]

    @Flag(help: "Print one line of JSON instead of tables.")
    var json = false

    enum Part: String, CaseIterable, ExpressibleByArgument {
        case steady, overload, throughput, roundTrip = "round-trip"
    }

    struct Report: Codable {
        var throughput: [Throughput.Result] = []
        var roundTrip: [RoundTrip.Result] = []
        var steady: Steady.Result?
        var overload: Steady.Result?
    }

    func validate() throws {
        guard rounds > 0 else { throw ValidationError("--rounds is at least 1") }
        guard sizes.allSatisfy({ (1...(16 << 20)).contains($0) }) else { throw ValidationError("--sizes are from 1 byte to 16 MB") }
    }

    func run() async throws {
        let directory = try BenchDirectory()
        // First of all, while no peak of memory hides what they add.
        var report = Report()
        if only.contains(.steady) { report.steady = try await Steady.fiftyThousandASecond(directory).run() }
        if only.contains(.overload) { report.overload = try await Steady.twiceTheBearableLoad(directory).run() }
        for transport in transports {
            for size in sizes where only.contains(.throughput) {
                let measurement = Throughput(transport: transport, size: size, directory: directory)
                report.throughput.append(try await measurement.run(rounds: rounds))
            }
            if only.contains(.roundTrip) {
                report.roundTrip.append(try await RoundTrip(transport: transport, directory: directory).run(rounds: rounds))
            }
        }
        if json {
            print(String(decoding: try JSONEncoder().encode(report), as: UTF8.self))
        } else {
            describe(report)
        }
    }

    private func describe(_ report: Report) {
        if !report.throughput.isEmpty { print("throughput            ours          C  ratio   processor time a message: ours, C") }
        for result in report.throughput {
            print(
                String(
                    format: "%@ %8d B %10.0f/s %8.0f/s  %.2f   %.2f µs, %.2f µs", result.transport.rawValue, result.size,
                    result.ours, result.c, result.ratio, result.oursCPU * 1e6, result.cCPU * 1e6))
        }
        if !report.roundTrip.isEmpty { print("idle round trip, p50") }
        for result in report.roundTrip {
            print(
                String(
                    format: "%@ %8.1f µs %8.1f µs  %.2f", result.transport.rawValue, result.ours * 1e6, result.c * 1e6, result.ratio))
        }
        for (name, result) in [("50,000 a second of 1 KB", report.steady), ("twice the bearable load, 64 KB", report.overload)] {
            guard let result else { continue }
            print(
                String(
                    format: "%@: %d of %d read, age p50 %.2f ms, p99 %.2f ms, memory +%.1f MB", name, result.read, result.sent,
                    result.p50 * 1e3, result.p99 * 1e3, Double(result.memoryGrowth) / 1e6))
        }
    }
}

enum Transport: String, Codable, CaseIterable, ExpressibleByArgument {
    case ipc, tcp
}

/// A directory for ipc sockets, removed at the end; and endpoints that are not in use.
final class BenchDirectory {
    private let path: String
    private var used = 0

    init() throws {
        var template = Array("\(NSTemporaryDirectory())/accrete-bench-XXXXXX".utf8CString)
        guard let path = mkdtemp(&template).map({ String(cString: $0) }) else {
            throw MessagingError("make a directory for sockets", String(cString: strerror(errno)))
        }
        self.path = path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func path(_ name: String) -> String { "\(path)/\(name)" }

    func endpoint(_ transport: Transport) throws -> Endpoint {
        used += 1
        return switch transport {
        case .ipc: try Endpoint("ipc://\(path)/\(used)")
        case .tcp: try Endpoint("tcp://127.0.0.1:\(freePorts(1)[0])")
        }
    }
}

/// Ports that the system has free now, none twice.
func freePorts(_ count: Int) throws -> [UInt16] {
    var probes: [Int32] = []
    defer { for probe in probes { close(probe) } }
    return try (0..<count).map { _ in
        let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        probes.append(probe)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(probe, $0, size) | getsockname(probe, $0, &size) }
        }
        guard status == 0 else { throw MessagingError("find a free port", String(cString: strerror(errno))) }
        return UInt16(bigEndian: address.sin_port)
    }
}

extension [Double] {
    var median: Double { isEmpty ? .nan : sorted()[count / 2] }
}

/// An actor with a queue of its own, as stages are.
protocol Seated: Actor {
    nonisolated var executor: StageExecutor { get }
}

extension Seated {
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
}

/// Seconds on the host's monotonic clock.
func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// Processor time that this process has used, seconds.
func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
