import Files
import Foundation
import Glibc
import Messaging
import Safetensors
import Schema

/// An update of the model as files of a directory: `header`, as it was received, and `part-000` and so on, the frames of its payload.
public struct SavedUpdate: Sendable {
    public let update: ModelUpdate
    /// The frames of the payload.
    public let frames: [Payload]

    /// The largest header, and the largest part, bytes; and the most parts.
    private static let largestHeader = 1 << 20, largestPart = 1 << 34, mostParts = 256
    /// The largest delta when it is decompressed, bytes.
    private static let largestDelta = 1 << 33

    /// Reads a saved update.
    /// - Throws: `FileError`; an error of decoding the header.
    public init(_ directory: String) throws {
        update = try ModelUpdate(serializedBytes: readFile("\(directory)/header", atMost: Self.largestHeader))
        var frames: [Payload] = []
        while frames.count < Self.mostParts, FileKind(of: Self.part(frames.count, of: directory)) != nil {
            frames.append(Payload(try readFile(Self.part(frames.count, of: directory), atMost: Self.largestPart)))
        }
        self.frames = frames
    }

    /// Writes an update that was received.
    /// - Throws: `FileError`.
    public static func write(_ message: WireMessage, to directory: String) throws {
        try makeDirectory(at: directory)
        let parts = message.payload
        try replaceFile(at: "\(directory)/header") { append in try message.header.withUnsafeBytes(append) }
        for (index, part) in parts.enumerated() {
            try replaceFile(at: Self.part(index, of: directory)) { append in try part.withUnsafeBytes(append) }
        }
        // What an update of more frames has left.
        for index in parts.count..<mostParts { unlink(part(index, of: directory)) }
    }

    private static func part(_ index: Int, of directory: String) -> String {
        let digits = String(index)
        return "\(directory)/part-\(String(repeating: "0", count: max(0, 3 - digits.count)))\(digits)"
    }

    /// Checks the passport, and that the payload is a safetensors file of finite numbers; of a delta, that it is one of the size it says.
    /// - Throws: what `UpdateTrust` throws; `nonFinite`, `wrongShape`; of a delta `tooLarge`, `undecodable`.
    public func verify(_ trust: UpdateTrust) throws(Refusal) -> VerifiedPassport {
        let bytes = frames.map { $0.withUnsafeBytes(\.self) }
        let verified = try trust.check(update.hasPassport ? update.passport : nil, of: update.claims, parts: bytes)
        guard update.kind != .delta else {
            try checkDelta()
            return verified
        }
        do throws(SafetensorsError) {
            let archive = try TensorArchive(borrowing: bytes, from: frames, source: "version \(update.version)")
            for tensor in archive.tensors { try tensor.checkFinite() }
        } catch {
            if case .nonFinite = error.reason { throw Refusal(.nonFinite, error.description) }
            throw Refusal(.wrongShape, error.description)
        }
        return verified
    }

    /// What a delta is applied to is not here.
    private func checkDelta() throws(Refusal) {
        let title = "version \(update.version)"
        guard let size = Int(exactly: update.plainBytes), size <= Self.largestDelta else {
            throw Refusal(.tooLarge, "\(title): a delta that says it has \(update.plainBytes) bytes")
        }
        let payload = frames.flatMap { frame in frame.withUnsafeBytes { Array($0) } }
        guard let plain = Zstandard.decompress(payload, exactly: size), (try? TensorArchive(bytes: plain)) != nil else {
            throw Refusal(.undecodable, "\(title): a delta that is not \(size) bytes of a safetensors file when it is decompressed")
        }
    }
}
