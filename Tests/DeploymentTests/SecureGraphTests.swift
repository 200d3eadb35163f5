import Deployment
import FilesTesting
import Foundation
import Glibc
import Testing

/// The whole graph with keys, as its users run it.
@Suite(.serialized, .enabled(if: Graph.isOptimised, "an unoptimised graph is too slow: run deploy/test"))
struct SecureGraphTests {
    private let folder = Folder()

    private var keys: String { folder.path("keys") }

    /// Endpoints over TCP alone, at ports that are free.
    private func endpoints() throws -> [String] {
        let stages = ["sensors", "ingest", "fuse", "learn", "evaluate", "play"], ports = try freePorts(stages.count + 4)
        let single = zip(stages, ports).flatMap { ["--set", "endpoints.\($0)=[\"tcp://127.0.0.1:\($1)\"]"] }
        return single + [
            "--set", "endpoints.orders=[\"tcp://127.0.0.1:\(ports[stages.count])\"]", "--set", "endpoints.runtime=\(folder.path("ipc"))",
        ]
    }

    /// Ports that nobody is bound at.
    private func freePorts(_ count: Int) throws -> [UInt16] {
        let sockets = (0..<count).map { _ in socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
        defer { for socket in sockets { close(socket) } }
        return try sockets.map { descriptor in
            var address = sockaddr_in(), size = socklen_t(MemoryLayout<sockaddr_in>.size)
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            let status = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, size) | getsockname(descriptor, $0, &size)
                }
            }
            try #require(status == 0)
            return UInt16(bigEndian: address.sin_port)
        }
    }

    private func accrete(_ arguments: String...) async throws -> Graph.Result {
        try await Graph.start(arguments, directory: folder.path).finished()
    }

    private func makeKeys() async throws {
        #expect(try await accrete("keys", "new", "laptop", "--role", "subscriber", "--role", "operator").status == 0)
        #expect(try await accrete("keys", "new", "camera", "--role", "publisher", "--source", "front").status == 0)
        #expect(try await accrete("keys", "root", "root").status == 0)
        #expect(try await accrete("keys", "sign", "root", "--into", "updates").status == 0)
    }

    @Test func keysAreMadeListedAndRevoked() async throws {
        try await makeKeys()
        let list = try await accrete("keys", "list")
        #expect(
            list.output.contains("camera  publisher  front  ") && list.output.contains("laptop  operator,subscriber  "), "\(list.output)")
        #expect(try await accrete("keys", "revoke", "camera").status == 0)
        #expect(try await !accrete("keys", "list").output.contains("camera"))
        let again = try await accrete("keys", "revoke", "camera")
        #expect(again.status != 0 && again.output.contains("has no such key"), "\(again.output)")
        let roleless = try await accrete("keys", "new", "x", "--role", "boss")
        #expect(roleless.status != 0 && roleless.output.contains("publisher"), "\(roleless.output)")
        let exposed = try await accrete("up", "--outside", "--set", "endpoints.fuse=[\"local:fuse\", \"tcp://0.0.0.0:7401\"]")
        #expect(exposed.status != 0 && exposed.output.contains("accrete keys new"), "\(exposed.output)")
    }

    /// Encrypted and signed, the graph learns to the bit what it learns without.
    @Test func keysChangeNoParameter() async throws {
        try await makeKeys()
        try await Graph.writeSession(to: folder.path("session"), moments: 30)
        var reports: [RunReport] = []
        let secure = try ["--set", "security.keys=\(keys)", "--set", "security.updates=\(folder.path("updates"))"] + endpoints()
        for (name, options) in [("secure", secure), ("plain", [])] {
            let result = try await Graph.start(
                ["up", "--session", folder.path("session"), "--mode", "lockstep", "--directory", folder.path(name)]
                    + ["--report", folder.path("report.json")] + options
            ).finished()
            #expect(result.status == 0, "\(result.output)")
            reports.append(try Graph.report(folder.path("report.json")))
        }
        #expect(reports[0].sha256 == reports[1].sha256 && reports[0].sha256.count == 64)
        #expect(reports[0].moments == 30 && reports[0].drops.values.allSatisfy(\.isEmpty), "\(reports[0].drops)")
    }

    @Test func operatorsGiveOrdersAndUpdatesAreVerified() async throws {
        try await makeKeys()
        let endpoints = try endpoints(),
            running = try Graph.start(
                ["up", "--directory", folder.path("run"), "--set", "simulate.moments=0", "--set", "security.keys=\(keys)"]
                    + ["--set", "security.updates=\(folder.path("updates"))"] + endpoints)
        _ = try await Graph.process(of: "learn", in: folder.path("run"))
        func asked(_ name: String, _ arguments: String...) async throws -> Graph.Result {
            try await Graph.start(
                arguments + endpoints + ["--set", "security.keys=\(keys)", "--set", "security.name=\(name)"], directory: folder.path
            ).finished()
        }
        let halved = try await asked("laptop", "order", "--seconds", "30", "--rate", "0.5")
        #expect(halved.status == 0 && halved.output.contains("rate at 0.5"), "\(halved.output)")
        let refused = try await asked("camera", "order", "--seconds", "1", "--rate", "0.5")
        #expect(refused.status != 0, "\(refused.output)")
        #expect(try await asked("laptop", "tap", "model.update/", "--count", "1", "--save", "saved").status == 0)
        let verified = try await accrete("verify", "saved", "--keys", "updates")
        #expect(verified.status == 0 && verified.output.contains("signed by 'learner', is whole"), "\(verified.output)")
        let part = URL(filePath: folder.path("saved/part-000"))
        var bytes = try Data(contentsOf: part)
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: part)
        let changed = try await accrete("verify", "saved", "--keys", "updates")
        #expect(changed.status == 1 && changed.output.contains("not believed: wrongDigest"), "\(changed.output)")
        running.process.interrupt()
        _ = await running.finished()
    }
}
