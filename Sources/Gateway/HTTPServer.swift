import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Pipeline
import Wiring

/// HTTP/1.1 over TLS: reads whole requests within the bounds of the settings, and writes what `respond` makes of them.
/// https://www.rfc-editor.org/rfc/rfc9112
struct HTTPServer: Sendable {
    typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>
    typealias Outbound = NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>

    let settings: GatewaySettings
    let tls: NIOSSLContext
    let rates: ClientRates
    let metrics: GatewayMetrics
    let respond: @Sendable (HTTPRequest) async -> HTTPReply

    private static let clock = MonotonicClock()

    /// Listens until the task is cancelled.
    /// - Parameter started: is called with the port, once it is bound.
    /// - Throws: the error of binding the port.
    func run(started: @Sendable (_ port: Int) throws -> Void) async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .bind(host: settings.address, port: settings.port) { channel in
                channel.eventLoop.makeCompletedFuture { try self.prepare(channel) }
            }
        try started(server.channel.localAddress?.port ?? settings.port)
        try await withThrowingDiscardingTaskGroup { group in
            try await server.executeThenClose { connections in
                for try await connection in connections {
                    let client = connection.channel.remoteAddress?.ipAddress ?? "unknown"
                    guard rates.opened(client, at: Self.clock.now) else {
                        metrics.refused("tooManyConnections")
                        connection.channel.close(promise: nil)
                        // Its streams must be finished too.
                        group.addTask { try? await connection.executeThenClose { _, _ in } }  // it is closed already
                        continue
                    }
                    group.addTask {
                        await serve(connection, of: client)
                        rates.closed(client, at: Self.clock.now)
                    }
                }
            }
        }
    }

    private func prepare(_ channel: any Channel) throws -> Connection {
        var bounds = NIOHTTPDecoderLimitConfiguration()
        bounds.maxHeaderFieldSize = settings.headBytes
        bounds.maxHeaderListSize = settings.headBytes
        bounds.maxHeaderFieldCount = Self.headerFields
        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(
            withPipeliningAssistance: false, withErrorHandling: false, withEncoderConfiguration: HTTPResponseEncoder.Configuration(),
            withDecoderLimitConfiguration: bounds)
        return try Connection(wrappingChannelSynchronously: channel)
    }

    private static let headerFields = 100

    /// Serves the requests of a connection one after the other.
    private func serve(_ connection: Connection, of client: String) async {
        do {
            try await connection.executeThenClose { inbound, outbound in
                var parts = inbound.makeAsyncIterator()
                do {
                    while let request = try await read(&parts, of: client, on: connection.channel, to: outbound) {
                        let keepsAlive = try await answer(request, on: outbound)
                        if !keepsAlive { return }
                    }
                } catch let error as HTTPParserError {
                    let isLong = error == .headerOverflow
                    try await write(
                        .refuse(isLong ? .requestHeaderFieldsTooLarge : .badRequest, isLong ? "headTooLarge" : "malformed", "\(error)"),
                        on: outbound, method: .GET, keepsAlive: false)
                }
            }
        } catch let error as NIOSSLError {
            metrics.refused("noTLS")
            _ = error
        } catch {
            metrics.refused("connectionLost")
        }
    }

    /// Reads a whole request.
    /// - Returns: nil where the connection has ended, or the request was refused and answered.
    private func read(
        _ parts: inout NIOAsyncChannelInboundStream<HTTPServerRequestPart>.AsyncIterator, of client: String, on channel: any Channel,
        to outbound: Outbound
    ) async throws -> HTTPRequest? {
        // A client that takes longer for a request, or says nothing, loses its connection.
        let deadline = channel.eventLoop.scheduleTask(in: .milliseconds(Int64(1000 * settings.requestSeconds))) {
            metrics.refused("slowClient")
            channel.close(promise: nil)
        }
        defer { deadline.cancel() }
        var head: HTTPRequestHead?
        var body: [UInt8] = []
        while let part = try await parts.next() {
            switch part {
            case .head(let received):
                head = received
                let length = received.headers.first(name: "content-length").flatMap { Int($0) } ?? 0
                if length > settings.bodyBytes { return try await refuseBody(received, to: outbound) }
                if received.headers.first(name: "expect")?.lowercased() == "100-continue" {
                    try await outbound.write(.head(HTTPResponseHead(version: .http1_1, status: .continue)))
                }
            case .body(let buffer):
                guard let head else { continue }
                guard body.count + buffer.readableBytes <= settings.bodyBytes else { return try await refuseBody(head, to: outbound) }
                body.append(contentsOf: buffer.readableBytesView)
            case .end:
                guard let head else { continue }
                return HTTPRequest(method: head.method, target: head.uri, headers: head.headers, body: body, client: client)
            }
        }
        return nil
    }

    private func refuseBody(_ head: HTTPRequestHead, to outbound: Outbound) async throws -> HTTPRequest? {
        try await write(
            .refuse(.payloadTooLarge, "tooLarge", "a body of more than gateway.bodyBytes = \(settings.bodyBytes) bytes"), on: outbound,
            method: head.method, keepsAlive: false)
        return nil
    }

    /// Responds to a request.
    /// - Returns: whether the connection stays open.
    private func answer(_ request: HTTPRequest, on outbound: Outbound) async throws -> Bool {
        let began = Self.clock.now
        let reply = await respond(request)
        let keepsAlive = request.headers.first(name: "connection")?.lowercased() != "close"
        try await write(reply, on: outbound, method: request.method, keepsAlive: keepsAlive)
        if case .bytes = reply.body { metrics.answered(after: (Self.clock.now - began).inSeconds) }
        return keepsAlive
    }

    private func write(_ reply: HTTPReply, on outbound: Outbound, method: HTTPMethod, keepsAlive: Bool) async throws {
        metrics.replied(reply.status.code)
        if let reason = reply.refusal { metrics.refused(reason) }
        var headers = Self.commonHeaders
        headers.add(name: "content-type", value: reply.type)
        if !keepsAlive { headers.add(name: "connection", value: "close") }
        if reply.status == .unauthorized { headers.add(name: "www-authenticate", value: "Bearer") }
        if reply.status == .tooManyRequests { headers.add(name: "retry-after", value: "1") }
        switch reply.body {
        case .bytes(let bytes):
            headers.add(name: "content-length", value: "\(bytes.count)")
            try await outbound.write(.head(HTTPResponseHead(version: .http1_1, status: reply.status, headers: headers)))
            if method != .HEAD { try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: bytes)))) }
            try await outbound.write(.end(nil))
        case .events(let events):
            headers.add(name: "transfer-encoding", value: "chunked")
            try await outbound.write(.head(HTTPResponseHead(version: .http1_1, status: reply.status, headers: headers)))
            for await event in events { try await outbound.write(.body(.byteBuffer(ByteBuffer(string: "data: \(event)\n\n")))) }
            try await outbound.write(.end(nil))
        }
    }

    /// Nothing is loaded from elsewhere, framed, cached or guessed. https://www.w3.org/TR/CSP3/
    private static let commonHeaders: HTTPHeaders = [
        "cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff", "x-frame-options": "DENY",
        "content-security-policy":
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:;"
            + " media-src 'self' blob:;"
            + " frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ]
}
