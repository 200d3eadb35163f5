import Foundation
import Glibc
import Synchronization
import Testing
@testable import Messaging

/// Passes one TCP connection on to an endpoint and records its bytes, as somebody between the two could.
final class Relay: Sendable {
    let endpoint: Endpoint
    private let listener: Int32
    private let record = Mutex(Data())

    /// The bytes that have passed, in both directions.
    var bytes: Data { record.withLock { $0 } }

    init(to target: Endpoint) throws {
        let port = try #require(target.description.split(separator: ":").last.flatMap { UInt16($0) })
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.address(port: 0), size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(listener, $0, size)
                _ = getsockname(listener, $0, &size)
            }
        }
        listen(listener, 1)
        self.listener = listener
        endpoint = try Endpoint("tcp://127.0.0.1:\(UInt16(bigEndian: address.sin_port))")
        Thread.detachNewThread { [self] in
            let one = accept(listener, nil, nil), other = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = Self.address(port: port)
            let size = socklen_t(MemoryLayout<sockaddr_in>.size)
            guard one >= 0,
                withUnsafePointer(to: &address, { $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(other, $0, size) } }) == 0
            else { return }
            Thread.detachNewThread { self.pass(from: one, to: other) }
            pass(from: other, to: one)
        }
    }

    func close() { shutdown(listener, Int32(SHUT_RDWR)) }

    private func pass(from source: Int32, to target: Int32) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(source, &buffer, buffer.count)
            guard count > 0 else { break }
            record.withLock { $0.append(contentsOf: buffer[..<count]) }
            guard write(target, buffer, count) == count else { break }
        }
        shutdown(target, Int32(SHUT_RDWR))
    }

    private static func address(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }
}
