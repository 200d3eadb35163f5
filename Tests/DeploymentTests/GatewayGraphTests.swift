import FilesTesting
import Foundation
import Testing

/// A graph with its gateway, used by what uses gateways: OpenAI's client, a browser, and an attacker.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct GatewayGraphTests {
    /// Starts a graph with a gateway, and calls `body` with its address, its access code and its directory.
    private func withGateway(
        _ more: [String] = [], _ body: (_ url: String, _ code: String, _ directory: String) async throws -> Void
    ) async throws {
        let folder = Folder()
        let graph = try Graph.start(
            [
                "up", "--outside", "--phone", "--directory", folder.path("run"), "--set", "gateway.address=127.0.0.1", "--set",
                "gateway.port=0",
            ]
                + ["--set", "answer.after=[utterance]"] + more + Graph.isolated(folder))
        let directory = folder.path("run/gateway")
        var greeting = ""
        for _ in 0..<1200 where !greeting.contains("code:") && graph.process.isRunning {
            try await Task.sleep(for: .milliseconds(50))
            greeting = (try? String(contentsOfFile: directory + "/greeting", encoding: .utf8)) ?? ""  // not there until it listens
        }
        let url = try #require(greeting.firstMatch(of: /https:\/\/[0-9.]+:[0-9]+/)).output
        let code = try #require(greeting.firstMatch(of: /code: *([a-z0-9]+)/)).output.1
        for stage in ["learn", "fuse", "ingest"] { _ = try await Graph.process(of: stage, in: folder.path("run")) }
        do {
            try await body(String(url), String(code), directory)
        } catch {
            graph.process.interrupt()
            _ = await graph.finished()
            throw error
        }
        graph.process.interrupt()
        let result = await graph.finished()
        #expect(result.status == 0, "\(result.output.suffix(2000))")
    }

    @Test(.enabled(if: Graph.isOptimised && Graph.triesGateway, "OpenAI's client is not installed"))
    func openAIsClientIsAnswered() async throws {
        try await withGateway { url, code, directory in
            let result = try await Graph.client("openai_api.py", url, code, directory + "/certificate.pem")
            #expect(result.status == 0, "\(result.output.suffix(2000))")
        }
    }

    /// A real browser with a fake camera: the page's own controls send, ask, name and correct.
    @Test(.enabled(if: Graph.isOptimised && Graph.chromium != nil && Graph.triesGateway, "Chromium is not installed"))
    func aPhoneTeachesThroughItsPage() async throws {
        try await withGateway { url, code, _ in
            let result = try await Graph.client("phone_page.py", url, code, "--chromium", Graph.chromium ?? "")
            #expect(result.status == 0, "\(result.output.suffix(2000))")
        }
    }

    /// Ten photographs, each named once on the page, are known again from other sides: by a pretrained sense.
    @Test(
        .enabled(
            if: Graph.isOptimised && Graph.chromium != nil && Graph.triesPhotographs,
            "Chromium, the photographs (deploy/models photographs) or the senses are not installed"))
    func whatIsNamedOnceIsKnownFromOtherSides() async throws {
        let sense = ["signals.image.frontend=efficientnet-lite0", "model.senses=[{name: image, rows: 49, columns: 1280}]"]
        try await withGateway(sense.flatMap { ["--set", $0] }) { url, code, _ in
            let result = try await Graph.client(
                "phone_teaches.py", url, code, Graph.root + "/models/photographs", "--chromium", Graph.chromium ?? "")
            #expect(result.status == 0, "\(result.output.suffix(4000))")
        }
    }

    /// What no client should send costs itself only; a gateway that is killed comes back with the same code while the graph runs.
    @Test(.enabled(if: Graph.isOptimised && Graph.triesClients, "the Python of the clients is not installed"))
    func whatNoClientShouldSendCostsItselfOnly() async throws {
        try await withGateway(["--set", "gateway.requestSeconds=2"]) { url, code, directory in
            let result = try await Graph.client("attack.py", url, code)
            #expect(result.status == 0, "\(result.output.suffix(2000))")
            let run = String(directory.dropLast("/gateway".count))
            let before = try #require(try Graph.processes(in: run)["gateway"])
            kill(before, SIGKILL)
            for _ in 0..<200 where try Graph.processes(in: run)["gateway"].map({ $0 == before }) ?? true {
                try await Task.sleep(for: .milliseconds(50))
            }
            // Its port was any free one, and is another now.
            let greeting = try await again(directory, unlike: url)
            let alive = try await Graph.client("attack.py", greeting, code, "--only-alive")
            #expect(alive.status == 0, "\(alive.output.suffix(2000))")
        }
    }

    /// The address of a gateway that was started again.
    private func again(_ directory: String, unlike url: String) async throws -> String {
        for _ in 0..<200 {
            let greeting = (try? String(contentsOfFile: directory + "/greeting", encoding: .utf8)) ?? ""  // written anew just now
            if let found = greeting.firstMatch(of: /https:\/\/[0-9.]+:[0-9]+/), found.output != url { return String(found.output) }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw Graph.Failure(description: "the gateway did not come back")
    }
}
