import Configuration
import Deployment
import FilesTesting
import Foundation
import Testing
import Wiring

/// A graph on several hosts: what is written for those who start it, and that it runs.
@Suite(.serialized) struct HostsTests {
    private let folder = Folder()

    private func settings(keys: String = "/etc/accrete/keys") -> GraphSettings {
        var settings = GraphSettings()
        settings.security.keys = keys
        return settings
    }

    @Test func everyStageRunsOnItsHostAndIsReachedThere() throws {
        let plan = try HostPlan(settings(), hosts: "ingest=edge.example, fuse=10.0.0.2,learn=gpu-1")
        #expect(plan.hosts == ["gpu-1", "edge.example", "10.0.0.2"])
        let places = Dictionary(uniqueKeysWithValues: plan.processes.map { ($0.name, $0.host) })
        #expect(places["ingest"] == "edge.example" && places["evaluate"] == "edge.example" && places["learn"] == "gpu-1")
        #expect(places["fuse"] == "10.0.0.2" && places["extract-image"] == "10.0.0.2", "extractors run where fuse does")
        #expect(plan.processes.last?.name == "ingest", "who receives from others starts first")
        #expect(plan.settings.endpoints.learn.first == "tcp://gpu-1:7402" && plan.settings.endpoints.fuse.first == "tcp://10.0.0.2:7401")
        #expect(plan.settings.endpoints.sensors == ["tcp://edge.example:7400"])
        let ports = plan.processes.flatMap { $0.ports.map(\.value) }
        #expect(Set(ports).count == ports.count && ports.count == 8)
    }

    @Test(arguments: [
        ("", "'' is not stage=host"), ("fuse=a", "does not say where ingest runs"), ("ingest=a,fuse", "'fuse' is not stage=host"),
        ("ingest=a,extract=b", "extractors run where fuse does"), ("ingest=a,ingest=b", "ingest twice"),
        ("ingest=a b", "no name and no IPv4 address"), ("ingest=$(reboot)", "no name"), ("ingest=-n", "no name"), ("ingest=", "no name"),
        ("ingest=" + String(repeating: "a", count: 254), "no name"), ("ingest=a\nfuse=b", "no name"),
    ])
    func whatNamesNoHostsIsRefused(text: String, reason: String) {
        #expect { try HostPlan(settings(), hosts: text) } throws: { "\($0)".contains(reason) }
    }

    @Test func hostsWantKeysAndALiveGraph() {
        #expect { try HostPlan(settings(keys: ""), hosts: "ingest=a") } throws: { "\($0)".contains("leaves this machine") }
        var replayed = settings()
        replayed.mode = .lockstep
        #expect { try HostPlan(replayed, hosts: "ingest=a") } throws: { "\($0)".contains("is live") }
    }

    @Test func everyEngineStartsEveryStage() throws {
        let plan = try HostPlan(settings(), hosts: "ingest=edge,fuse=brain")
        #expect(Set(engines.map { $0.name }).count == engines.count)
        for engine in engines {
            let files = engine.files(plan, executables: "/opt/accrete"), text = files.values.joined()
            for process in plan.processes { #expect(text.contains("/opt/accrete/\(process.executable)"), "\(engine.name)") }
            #expect(plan.hosts.allSatisfy(text.contains) || files.keys.contains { $0.hasPrefix("edge/") }, "\(engine.name)")
            #expect(!engine.steps(plan, directory: "out").isEmpty)
            for (path, script) in files where path.hasSuffix(".sbatch") {
                let process = Process()
                process.executableURL = URL(fileURLWithPath: "/bin/bash")
                process.arguments = ["-n", "-c", script]
                try process.run()
                process.waitUntilExit()
                #expect(process.terminationStatus == 0, "\(engine.name)")
            }
        }
    }

    /// What a pod's container is given on its command line makes settings without a problem.
    @Test func theSettingsOfEveryContainerAreValid() throws {
        let plan = try HostPlan(settings(), hosts: "ingest=edge,fuse=brain,evaluate=brain"), path = folder.path("settings.yaml")
        try plan.settings.yaml.write(toFile: path, atomically: true, encoding: .utf8)
        let engine = try #require(engines.first { $0.name == "kubernetes" })
        let lines = engine.files(plan, executables: "/opt").values.flatMap { $0.split(separator: "\n") }.filter { $0.contains(" args: ") }
        #expect(lines.count == plan.processes.count)
        var bound = 0
        for line in lines {
            let overrides = line.split(separator: "'").filter { $0.hasPrefix("endpoints.") }.map(String.init)
            bound += overrides.count
            let read = try GraphSettings.read(path: path, environment: [:], overrides: overrides).settings
            #expect(read.problems.isEmpty, "\(line): \(read.problems)")
        }
        #expect(bound == 8)
    }

    private static let verifiesUnits = FileManager.default.isExecutableFile(atPath: "/usr/bin/systemd-analyze")

    /// `systemd-analyze verify` knows every option and finds every executable; its exposure is low.
    @Test(.enabled(if: verifiesUnits, "systemd-analyze is absent"))
    func theUnitsAreValid() async throws {
        let units = folder.path("units")
        let written = try await Graph.run(
            "up", "--outside", "--hosts", "ingest=edge,fuse=brain", "--directory", units, "--executables", Graph.executables, "--set",
            "security.keys=/etc/accrete/keys")
        #expect(written.status == 0, "\(written.output)")
        for host in ["edge", "brain"] {
            let files = try FileManager.default.contentsOfDirectory(atPath: "\(units)/\(host)").map { "\(units)/\(host)/\($0)" }
            #expect(!files.isEmpty)
            let verified = try await Graph.start(["verify"] + files, executable: "/usr/bin/systemd-analyze").finished()
            let ours = verified.output.split(separator: "\n").filter { $0.contains("/units/") || $0.contains("accrete-") }
            #expect(ours.isEmpty, "\(ours)")
            for file in files {
                let exposure = try await Graph.start(
                    ["security", "--offline=yes", "--threshold=30", file], executable: "/usr/bin/systemd-analyze"
                ).finished()
                #expect(exposure.status == 0, "\(exposure.output.suffix(400))")
            }
        }
    }

    /// Whether this process may make network namespaces.
    private static let makesNamespaces: Bool = {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", "unshare -n true && command -v ip"]
        (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
        guard (try? process.run()) != nil else { return false }  // there is no shell
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    /// Two hosts with addresses of their own: ingest and the publisher here, all else there. The model learns from what crosses.
    @Test(
        .enabled(if: Graph.isOptimised, "an unoptimised graph is too slow: run deploy/test"),
        .enabled(if: makesNamespaces, "network namespaces cannot be made here: that wants root and iproute2"))
    func aGraphBetweenTwoHostsLearns() async throws {
        let keys = folder.path("keys"), units = folder.path("units"), id = "\(getpid())"
        #expect(try await Graph.start(["keys", "new", "laptop", "--role", "subscriber"], directory: folder.path).finished().status == 0)
        let written = try await Graph.run(
            "up", "--outside", "--hosts", "ingest=10.203.0.1,fuse=10.203.0.2,learn=10.203.0.2,evaluate=10.203.0.2", "--directory", units,
            "--executables", Graph.executables, "--set", "security.keys=\(keys)", "--set", "simulate.rate=40", "--set",
            "simulate.moments=0",
            "--set", "learn.publishEvery=4")
        #expect(written.status == 0, "\(written.output)")
        let script = """
            set -e
            cd '\(folder.path)'
            for n in 1 2; do ip netns add accrete-\(id)-$n; ip -n accrete-\(id)-$n link set lo up; done
            trap 'kill $(jobs -p) 2>/dev/null; wait; for n in 1 2; do ip netns delete accrete-\(id)-$n; done' EXIT
            ip -n accrete-\(id)-1 link add veth0 type veth peer name veth0 netns accrete-\(id)-2
            for n in 1 2; do
                ip -n accrete-\(id)-$n address add 10.203.0.$n/24 dev veth0; ip -n accrete-\(id)-$n link set veth0 up; mkdir -p host$n
            done
            for n in 1 2; do
                for unit in units/10.203.0.$n/*.service; do
                    command=$(sed -n 's/^ExecStart=//p' "$unit")
                    command=${command//\\/etc\\/accrete\\/settings.yaml/'\(units)'\\/settings.yaml}
                    (cd host$n; XDG_RUNTIME_DIR=$PWD exec ip netns exec accrete-\(id)-$n $command 2>>"$(basename "$unit").log") &
                done
            done
            (cd host1; XDG_RUNTIME_DIR=$PWD exec ip netns exec accrete-\(id)-1 '\(Graph.executables)/accrete-simulate' \
                --config '\(units)/settings.yaml' 2>>simulate.log) &
            cd host1
            XDG_RUNTIME_DIR=$PWD timeout 90 ip netns exec accrete-\(id)-1 '\(Graph.executables)/accrete' tap model.update/ --count 4 \
                --config '\(units)/settings.yaml' --set security.name=laptop || { tail -n 3 ../host*/*.log; exit 1; }
            """
        let result = try await Graph.start(["-c", script], executable: "/bin/bash").finished()
        #expect(result.status == 0, "\(result.output)")
        #expect(result.output.contains("model.update"), "\(result.output)")
    }
}
