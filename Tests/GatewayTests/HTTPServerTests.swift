import FilesTesting
import NIOCore
import NIOPosix
import NIOSSL
import Testing
import Wiring

@testable import Gateway

/// The server over real sockets: what no page would send.
struct HTTPServerTests {
    /// Runs a server, and calls `body` with its port.
    private func serve(
        _ change: (inout GatewaySettings) -> Void = { _ in }, _ body: @escaping @Sendable (Int, GatewayMetrics) async throws -> Void
    ) async throws {
        let folder = Folder(), metrics = GatewayMetrics()
        var settings = GatewaySettings()
        (settings.address, settings.port) = ("127.0.0.1", 0)
        change(&settings)
        let server = HTTPServer(
            settings: settings, tls: try ServerCertificate(in: folder.path).context(), rates: ClientRates(settings), metrics: metrics
        ) { head in
            if head.path == "/private" { return .refused(.refuse(.unauthorized, "noCode", "no")) }
            return .accepted { request in
                if request.path == "/large" { return HTTPReply(.ok, type: "text/plain", [UInt8](repeating: 97, count: 1 << 25)) }
                return HTTPReply(.ok, type: "text/plain", Array("\(request.method) \(request.path) \(request.body.count)".utf8))
            }
        }
        let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
        try await withThrowingTaskGroup { group in
            group.addTask { try await server.run { _ = continuation.yield($0) } }
            group.addTask {
                for await port in ports {
                    try await body(port, metrics)
                    return
                }
            }
            _ = try await group.next()
            group.cancelAll()
        }
    }

    private static func connect(_ port: Int) async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        let tls = try NIOSSLContext(configuration: configuration)
        return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: "127.0.0.1", port: port) {
            channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(try NIOSSLClientHandler(context: tls, serverHostname: nil))
                return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }
        }
    }

    /// Sends bytes over TLS, and returns all that comes until the server closes the connection or `end` has come.
    private static func exchange(_ bytes: String, port: Int, until end: String? = nil) async throws -> String {
        try await connect(port).executeThenClose { inbound, outbound in
            var text = ""
            do {
                try await outbound.write(ByteBuffer(string: bytes))
                for try await buffer in inbound {
                    text += String(buffer: buffer)
                    if let end, text.hasSuffix(end) { break }
                }
            } catch is NIOSSLError {
                // The server has closed without a goodbye.
            } catch is IOError {
                // It has closed before everything was sent.
            } catch ChannelError.ioOnClosedChannel {
                // It has closed before anything was sent.
            }
            return text
        }
    }

    @Test func requestsOfAConnectionAreAnsweredInOrder() async throws {
        try await serve { port, _ in
            let text = try await Self.exchange(
                "GET /a HTTP/1.1\r\nhost: x\r\n\r\nPOST /b HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"
                    + "GET /c HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
                port: port)
            let bodies = text.split(separator: "\r\n\r\n").dropFirst().map { $0.prefix { $0 != "H" } }
            #expect(text.components(of: "HTTP/1.1 200 OK") == 3 && bodies.joined().contains("GET /c 0"), "\(text)")
            #expect(text.contains("POST /b 3") && text.contains("x-content-type-options: nosniff"))
        }
    }

    @Test func whatIsTooLargeOrNoHTTPIsRefusedAndNothingElseIsLost() async throws {
        try await serve({ ($0.headBytes, $0.bodyBytes) = (1024, 1024) }) { port, metrics in
            let reply1 = try await Self.exchange("NONSENSE\r\n\r\n", port: port)
            #expect(reply1.hasPrefix("HTTP/1.1 400"))
            let head = "GET / HTTP/1.1\r\nx: " + String(repeating: "a", count: 5000) + "\r\n\r\n"
            let reply2 = try await Self.exchange(head, port: port)
            #expect(reply2.hasPrefix("HTTP/1.1 431"))
            let reply3 = try await Self.exchange("POST / HTTP/1.1\r\ncontent-length: 99999\r\n\r\n", port: port)
            #expect(reply3.hasPrefix("HTTP/1.1 413"))
            let chunk =
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n800\r\n" + String(repeating: "a", count: 2048) + "\r\n0\r\n\r\n"
            let reply4 = try await Self.exchange(chunk, port: port)
            #expect(reply4.hasPrefix("HTTP/1.1 413"))
            let good = try await Self.exchange("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", port: port)
            #expect(good.hasPrefix("HTTP/1.1 200") && good.hasSuffix("GET / 0"))
            let refusals = metrics.now.refusals
            #expect(refusals["malformed"] == 1 && refusals["headTooLarge"] == 1 && refusals["tooLarge"] == 2, "\(refusals)")
        }
    }

    @Test func aRequestThatIsRefusedHasNoBodyRead() async throws {
        try await serve { port, metrics in
            // The body never comes, and the response does not wait for it.
            let reply = try await Self.exchange(
                "POST /private HTTP/1.1\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n", port: port)
            #expect(reply.hasPrefix("HTTP/1.1 401") && !reply.contains("100 Continue"), "\(reply)")
            let twice = "GET /private HTTP/1.1\r\nhost: x\r\n\r\nGET /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            let replies = try await Self.exchange(twice, port: port)
            #expect(replies.hasPrefix("HTTP/1.1 401") && replies.hasSuffix("GET /a 0"), "\(replies)")
            #expect(metrics.now.refusals["noCode"] == 2)
        }
    }

    @Test func aConnectionThatWaitsForAnotherRequestIsNoSlowClient() async throws {
        // Long enough for the request itself, also where many tests run at once.
        try await serve({ $0.requestSeconds = 5 }) { port, metrics in
            let reply = try await Self.exchange("GET /a HTTP/1.1\r\nhost: x\r\n\r\n", port: port)
            #expect(reply.hasSuffix("GET /a 0") && metrics.now.refusals["slowClient"] == nil)
        }
    }

    @Test func aClientThatNeverEndsItsRequestLosesItsConnection() async throws {
        try await serve({ $0.requestSeconds = 0.1 }) { port, metrics in
            let reply5 = try await Self.exchange("GET / HTT", port: port)
            #expect(reply5 == "")
            #expect(metrics.now.refusals["slowClient"] == 1)
        }
    }

    @Test func aClientThatDoesNotReadItsResponsesLosesItsConnection() async throws {
        // One request: what is not read is counted also where the server waits for the next.
        try await serve({ $0.requestSeconds = 0.5 }) { port, metrics in
            try await Self.connect(port).executeThenClose { _, outbound in
                try await outbound.write(ByteBuffer(string: "GET /large HTTP/1.1\r\nhost: x\r\n\r\n"))
                for _ in 0..<24_000 where metrics.now.refusals["slowClient"] == nil { try await Task.sleep(for: .milliseconds(5)) }
            }
            #expect(metrics.now.refusals["slowClient"] == 1)
        }
    }

    @Test func connectionsBeyondTheBoundAreClosed() async throws {
        try await serve({ ($0.maximumClientConnections, $0.requestSeconds) = (1, 1) }) { port, metrics in
            async let waiting = Self.exchange("GET / HTTP/1.1\r\nhost: x\r\n\r\n", port: port)
            while metrics.now.replies[200] == nil { try await Task.sleep(for: .milliseconds(5)) }
            let reply6 = try await Self.exchange("GET / HTTP/1.1\r\nhost: x\r\n\r\n", port: port)
            #expect(reply6 == "")
            #expect(metrics.now.refusals["tooManyConnections"] == 1)
            let reply7 = try await waiting
            #expect(reply7.hasPrefix("HTTP/1.1 200"))
        }
    }
}

extension String {
    /// How often a text occurs.
    fileprivate func components(of text: String) -> Int { ranges(of: text).count }
}
