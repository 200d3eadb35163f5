import Files
import Foundation
import Glibc
import Schema

/// Records which message a stage has taken last, in a file that outlives the process: where a message crashes the process, its supervisor
/// reads there which it was, and the restarted stage skips that message.
///
/// Sendable without checking, because the mapped bytes are written only by the one stage that it is given to, between two of its messages.
public final class NewestMessage: @unchecked Sendable {
    private let memory: UnsafeMutableRawBufferPointer
    private let passedOver: [PassedOver]

    /// Bytes of a topic and of a source that are kept; longer names are compared by these.
    static let nameBytes = 1024
    private static let size = 4096

    /// - Parameters:
    ///   - path: the file, which is created or emptied.
    ///   - passedOver: the messages to skip.
    /// - Throws: `cannotWrite`.
    public init(_ path: String, passingOver passedOver: [PassedOver]) throws(FileError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw FileError(path, .cannotWrite(String(cString: strerror(errno)))) }
        defer { close(descriptor) }
        guard ftruncate(descriptor, 0) == 0, posix_fallocate(descriptor, 0, Self.size) == 0,
            let start = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), start != MAP_FAILED
        else {
            throw FileError(path, .cannotWrite(String(cString: strerror(errno))))
        }
        memory = UnsafeMutableRawBufferPointer(start: start, count: Self.size)
        self.passedOver = passedOver
    }

    deinit { munmap(memory.baseAddress, memory.count) }

    /// Records that a message is taken now.
    /// - Returns: false where the message is to be skipped.
    public func note(_ stamp: Stamp, on topic: String) -> Bool {
        memory.storeBytes(of: stamp.epoch, as: UInt64.self)
        memory.storeBytes(of: stamp.sequence, toByteOffset: 8, as: UInt64.self)
        write(topic, at: 16)
        write(stamp.source, at: 16 + 2 + Self.nameBytes)
        return passedOver.isEmpty || !passedOver.contains { $0.isSame(stamp, on: topic) }
    }

    private func write(_ text: String, at offset: Int) {
        let bytes = text.utf8.prefix(Self.nameBytes)
        memory.storeBytes(of: UInt16(bytes.count), toByteOffset: offset, as: UInt16.self)
        UnsafeMutableRawBufferPointer(rebasing: memory[(offset + 2)...]).copyBytes(from: bytes)
    }

    /// The file of a stage of this name.
    public static func path(of stage: String, in logs: String) -> String { "\(logs)/\(stage).newest" }

    /// The message that an ended stage took last; nil where it took none.
    public static func read(of stage: String, in logs: String) -> PassedOver? {
        // no file: nothing was taken
        guard let bytes = try? readFile(path(of: stage, in: logs), atMost: size), bytes.count == size else { return nil }
        return bytes.withUnsafeBytes { bytes in
            func text(at offset: Int) -> String {
                let count = min(Int(bytes.load(fromByteOffset: offset, as: UInt16.self)), nameBytes)
                return String(decoding: bytes[(offset + 2)..<(offset + 2 + count)], as: UTF8.self)
            }
            let sequence = bytes.load(fromByteOffset: 8, as: UInt64.self)
            guard sequence > 0 else { return nil }
            return PassedOver(
                topic: text(at: 16), source: text(at: 16 + 2 + nameBytes), epoch: bytes.load(as: UInt64.self), sequence: sequence)
        }
    }
}

/// A message that crashed a stage, and is skipped from then on.
public struct PassedOver: Codable, Sendable, Equatable, CustomStringConvertible {
    public var topic: String
    public var source: String
    /// The epoch of its sender; nil: any. A replay that starts again sends the same message with another epoch.
    public var epoch: UInt64?
    public var sequence: UInt64

    public init(topic: String, source: String, epoch: UInt64?, sequence: UInt64) {
        (self.topic, self.source, self.epoch, self.sequence) = (topic, source, epoch, sequence)
    }

    public var description: String {
        "message \(sequence) of \(source.debugDescription.prefix(200)) on \(topic.debugDescription.prefix(200))"
    }

    func isSame(_ stamp: Stamp, on topic: String) -> Bool {
        stamp.sequence == sequence && (epoch == nil || epoch == stamp.epoch) && Self.kept(topic) == self.topic
            && Self.kept(stamp.source) == source
    }

    private static func kept(_ name: String) -> String { String(decoding: name.utf8.prefix(NewestMessage.nameBytes), as: UTF8.self) }

    // MARK: The list of a stage, in the order in which the messages were found

    /// The most that are kept; the oldest are forgotten.
    public static let capacity = 1000
    private static let maximumBytes = 8 << 20

    private static func path(of stage: String, in logs: String) -> String { "\(logs)/\(stage).passed-over.json" }

    /// The messages that a stage skips.
    /// - Throws: `FileError`, also where the file is no such list.
    public static func read(of stage: String, in logs: String) throws -> [PassedOver] {
        let path = path(of: stage, in: logs)
        guard FileKind(of: path) != nil else { return [] }
        let bytes = try readFile(path, atMost: maximumBytes)
        do {
            return try JSONDecoder().decode([PassedOver].self, from: Data(bytes))
        } catch {
            throw FileError(path, .cannotRead("it is no list of messages to pass over"))
        }
    }

    /// Adds a message to a stage's list.
    /// - Returns: false where the list has it already, or is full and a replay would restart for ever.
    /// - Throws: `FileError`, also where the file is no such list.
    public static func add(_ message: PassedOver, of stage: String, in logs: String) throws -> Bool {
        var list = try read(of: stage, in: logs)
        if list.contains(message) || message.epoch == nil && list.count >= capacity { return false }
        list = (list + [message]).suffix(capacity)
        try replaceFile(at: path(of: stage, in: logs), with: String(decoding: JSONEncoder().encode(list), as: UTF8.self) + "\n")
        return true
    }

    /// Deletes what earlier runs recorded.
    public static func forget(of stage: String, in logs: String) {
        for path in [path(of: stage, in: logs), NewestMessage.path(of: stage, in: logs)] { unlink(path) }
    }
}
