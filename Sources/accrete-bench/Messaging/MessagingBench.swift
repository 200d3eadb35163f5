import ArgumentParser
import Foundation
import Messaging

/// Our messages beside a plain C loop over libzmq, in turns.
struct MessagingBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "messaging",
        abstract: "Throughput and round trips as ratios to plain libzmq in C, run in turns; latency; overload.")

    @Option(help: "How often each pair is run; medians count.")
    var rounds = 5

    @Flag(help: "Print one line of JSON instead of tables.")
    var json = false

    struct Report: Codable {
        var throughput: [Throughput.Result] = []
        var roundTrip: [RoundTrip.Result] = []
        var steady: Steady.Result
        var overload: Steady.Result
    }

    func run() async throws {
        let directory = try BenchDirectory()
        // First of all, while no peak of memory hides what they add.
        let steady = try await Steady.fiftyThousandASecond(directory).run()
        let overload = try await Steady.twiceTheBearableLoad(directory).run()
        var throughput: [Throughput.Result] = []
        var roundTrip: [RoundTrip.Result] = []
        for transport in Transport.allCases {
            for size in [64, 1 << 10, 64 << 10, 1 << 20] {
                let measurement = Throughput(transport: transport, size: size, directory: directory)
                throughput.append(try await measurement.run(rounds: rounds))
            }
            roundTrip.append(try await RoundTrip(transport: transport, directory: directory).run(rounds: rounds))
        }
        let report = Report(throughput: throughput, roundTrip: roundTrip, steady: steady, overload: overload)
        if json {
            print(String(decoding: try JSONEncoder().encode(report), as: UTF8.self))
        } else {
            describe(report)
        }
    }

    private func describe(_ report: Report) {
        print("throughput            ours          C  ratio   processor time a message: ours, C")
        for result in report.throughput {
            print(
                String(
                    format: "%@ %8d B %10.0f/s %8.0f/s  %.2f   %.2f µs, %.2f µs", result.transport.rawValue, result.size,
                    result.ours, result.c, result.ratio, result.oursCPU * 1e6, result.cCPU * 1e6))
        }
        print("idle round trip, p50")
        for result in report.roundTrip {
            print(
                String(
                    format: "%@ %8.1f µs %8.1f µs  %.2f", result.transport.rawValue, result.ours * 1e6, result.c * 1e6, result.ratio))
        }
        for (name, result) in [("50,000 a second of 1 KB", report.steady), ("twice the bearable load, 64 KB", report.overload)] {
            print(
                String(
                    format: "%@: %d of %d read, age p50 %.2f ms, p99 %.2f ms, memory +%.1f MB", name, result.read, result.sent,
                    result.p50 * 1e3, result.p99 * 1e3, Double(result.memoryGrowth) / 1e6))
        }
    }
}

enum Transport: String, Codable, CaseIterable {
    case ipc, tcp
}

/// A directory for ipc sockets, removed at the end; and endpoints that nobody has used yet.
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
        case .tcp: try Endpoint("tcp://127.0.0.1:\(20_000 + Int.random(in: 0..<20_000))")
        }
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
