import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Pipeline
import Wiring

/// HTTP/1.1 over TLS: reads whole requests within the bounds of the settings, and writes what `admit` makes of them.
/// https://www.rfc-editor.org/rfc/rfc9112
struct HTTPServer: Sendable {
    typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>
    typealias Outbound = NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>

    let settings: GatewaySettings
    let tls: NIOSSLContext
    let rates: ClientRates
    let metrics: GatewayMetrics
    /// Decides on a request by its head, so that nobody without an access code has a body read.
    let admit: @Sendable (HTTPRequest) async -> HTTPAdmission

    private static let clock = MonotonicClock()

    /// Listens until the task is cancelled.
    /// - Parameter started: is called with the port, once it is bound.
    /// - Throws: the error of binding the port.
    func run(started: @Sendable (_ port: Int) throws -> Void) async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // A phone that leaves its network says nothing: what it does not acknowledge for this long ends its connection.
            .childChannelOption(.tcpOption(.init(rawValue: TCP_USER_TIMEOUT)), value: 30_000)
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
                    var isFirst = true
                    while let admitted = try await read(&parts, of: client, on: connection.channel, to: outbound, isFirst: isFirst) {
                        let keepsAlive = try await answer(admitted, on: connection.channel, to: outbound)
                        if !keepsAlive { return }
                        isFirst = false
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

    /// A whole request, and what makes its response.
    private typealias Admitted = (request: HTTPRequest, respond: @Sendable (HTTPRequest) async -> HTTPReply)
    private typealias Parts = NIOAsyncChannelInboundStream<HTTPServerRequestPart>.AsyncIterator

    /// Reads a whole request.
    /// - Parameter isFirst: whether it is the connection's first; one that waits for another may close.
    /// - Returns: nil where the connection has ended, or the request was refused and answered.
    private func read(
        _ parts: inout Parts, of client: String, on channel: any Channel, to outbound: Outbound, isFirst: Bool
    ) async throws -> Admitted? {
        // A connection that waits for another request may close without being counted.
        var deadline = closeLater(channel, counting: isFirst)
        defer { deadline.cancel() }
        var request: HTTPRequest?
        var respond: (@Sendable (HTTPRequest) async -> HTTPReply)?
        while let part = try await parts.next() {
            switch part {
            case .head(let head):
                deadline.cancel()
                deadline = closeLater(channel, counting: true)
                let received = HTTPRequest(method: head.method, target: head.uri, headers: head.headers, client: client)
                request = received
                switch await admit(received) {
                case .refused(let reply) where head.announcesBody:
                    return try await refuse(received, reply, &parts, on: channel, to: outbound)
                case .refused(let reply): respond = { _ in reply }
                case .accepted(let further): respond = further
                }
                let length = head.headers.first(name: "content-length").flatMap { Int($0) } ?? 0
                if length > settings.bodyBytes { return try await refuse(received, tooLarge, &parts, on: channel, to: outbound) }
                if head.headers.first(name: "expect")?.lowercased() == "100-continue" {
                    try await outbound.write(.head(HTTPResponseHead(version: .http1_1, status: .continue)))
                }
            case .body(let buffer):
                guard let now = request else { continue }
                guard now.body.count + buffer.readableBytes <= settings.bodyBytes else {
                    return try await refuse(now, tooLarge, &parts, on: channel, to: outbound)
                }
                request?.body.append(contentsOf: buffer.readableBytesView)
            case .end:
                guard let request, let respond else { continue }
                return (request, respond)
            }
        }
        return nil
    }

    /// Closes the connection of a client that takes longer for its request, or does not read its response. Where bytes of a response
    /// still wait to be sent it is counted in any case: what is written only waits in the channel.
    private func closeLater(_ channel: any Channel, counting isCounted: Bool) -> Scheduled<Void> {
        channel.eventLoop.scheduleTask(in: .milliseconds(Int64(1000 * settings.requestSeconds))) {
            if isCounted || !channel.isWritable { metrics.refused("slowClient") }
            channel.close(promise: nil)
        }
    }

    private var tooLarge: HTTPReply {
        .refuse(.payloadTooLarge, "tooLarge", "a body of more than gateway.bodyBytes = \(settings.bodyBytes) bytes")
    }

    /// Refuses a request before its body has come. What still comes is passed over for a moment: a connection that is closed before all
    /// has been read is reset, and the client may never see why.
    private func refuse(
        _ request: HTTPRequest, _ reply: HTTPReply, _ parts: inout Parts, on channel: any Channel, to outbound: Outbound
    ) async throws -> Admitted? {
        try await write(reply, on: outbound, method: request.method, keepsAlive: false)
        let deadline = channel.eventLoop.scheduleTask(in: .milliseconds(Self.lingerMilliseconds)) { channel.close(promise: nil) }
        defer { deadline.cancel() }
        while let part = try? await parts.next() {  // an error is our own closing, or theirs
            if case .end = part { break }
        }
        return nil
    }

    private static let lingerMilliseconds: Int64 = 500

    /// Responds to a request.
    /// - Returns: whether the connection stays open.
    private func answer(_ admitted: Admitted, on channel: any Channel, to outbound: Outbound) async throws -> Bool {
        let began = Self.clock.now, request = admitted.request
        let reply = await admitted.respond(request)
        let keepsAlive = request.headers.first(name: "connection")?.lowercased() != "close"
        var deadline: Scheduled<Void>?
        if case .bytes = reply.body {
            metrics.answered(after: (Self.clock.now - began).inSeconds)
            deadline = closeLater(channel, counting: true)
        }
        defer { deadline?.cancel() }
        try await write(reply, on: outbound, method: request.method, keepsAlive: keepsAlive)
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

extension HTTPRequestHead {
    /// Whether a body follows.
    fileprivate var announcesBody: Bool { headers.contains(name: "content-length") || headers.contains(name: "transfer-encoding") }
}
