import CLZ4
import CZstd

/// How chunks are compressed.
public enum MCAPCompression: String, Sendable, CaseIterable {
    case none = ""
    case zstd
}

extension MCAPCompression {
    private static let level: Int32 = 3

    func compress(_ content: [UInt8]) throws(MCAPError) -> [UInt8] {
        guard self == .zstd else { return content }
        var compressed = [UInt8](repeating: 0, count: ZSTD_compressBound(content.count))
        let size = compressed.withUnsafeMutableBytes { target in
            content.withUnsafeBytes { ZSTD_compress(target.baseAddress, target.count, $0.baseAddress, $0.count, Self.level) }
        }
        guard ZSTD_isError(size) == 0 else { throw MCAPError(.unsupported, "zstd: \(String(cString: ZSTD_getErrorName(size)))") }
        compressed.removeSubrange(size...)
        return compressed
    }
}

/// Decompresses the content of a chunk. Memory grows with what is found, never with what is announced.
/// - Parameters:
///   - bytes: the compressed bytes.
///   - compression: `zstd`, `lz4`, or empty for none.
///   - size: the announced size of the content.
///   - isCutOff: whether the end of the bytes is missing; then what is before it is returned.
/// - Throws: `unsupported`; `damaged` where the content is not of that size, or no such content.
func decompressed(_ bytes: ArraySlice<UInt8>, _ compression: String, size: Int, isCutOff: Bool) throws(MCAPError) -> [UInt8] {
    let content: [UInt8]
    switch compression {
    case "": content = Array(bytes)
    case "zstd": content = try decompressedZstd(bytes, size: size, isCutOff: isCutOff)
    case "lz4": content = try decompressedLZ4(bytes, size: size, isCutOff: isCutOff)
    default: throw MCAPError(.unsupported, "a chunk compressed with '\(compression.prefix(32))'; zstd and lz4 are read")
    }
    guard content.count == size || isCutOff && content.count < size else {
        throw MCAPError(.damaged, "a chunk of \(content.count) bytes that says it has \(size)")
    }
    return content
}

/// The size of the pieces in which content is decompressed.
private let pieceBytes = 1 << 17

/// The greatest window of a zstd frame, as a power of two: 128 MiB, which is what the zstd program accepts.
private let windowLimit: Int32 = 27

private func decompressedZstd(_ bytes: ArraySlice<UInt8>, size: Int, isCutOff: Bool) throws(MCAPError) -> [UInt8] {
    guard let stream = ZSTD_createDCtx() else { throw MCAPError(.unsupported, "zstd has no memory") }
    defer { ZSTD_freeDCtx(stream) }
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, windowLimit)
    return try decompress(bytes, size: size, isCutOff: isCutOff) { target, source in
        var output = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
        var input = ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: 0)
        let rest = ZSTD_decompressStream(stream, &output, &input)
        return ZSTD_isError(rest) == 0 ? (output.pos, input.pos, rest == 0) : nil
    }
}

private func decompressedLZ4(_ bytes: ArraySlice<UInt8>, size: Int, isCutOff: Bool) throws(MCAPError) -> [UInt8] {
    var stream: OpaquePointer?
    guard LZ4F_isError(LZ4F_createDecompressionContext(&stream, UInt32(LZ4F_VERSION))) == 0 else {
        throw MCAPError(.unsupported, "lz4 has no memory")
    }
    defer { LZ4F_freeDecompressionContext(stream) }
    return try decompress(bytes, size: size, isCutOff: isCutOff) { target, source in
        var written = target.count, read = source.count
        let rest = LZ4F_decompress(stream, target.baseAddress, &written, source.baseAddress, &read, nil)
        return LZ4F_isError(rest) == 0 ? (written, read, rest == 0) : nil
    }
}

/// Calls a decompressor with the rest of the input until it is used up.
/// - Parameter step: decompresses from one buffer into another and returns how much it wrote and read, and whether a frame is complete;
///   nil for an error.
private func decompress(
    _ bytes: ArraySlice<UInt8>, size: Int, isCutOff: Bool,
    _ step: (UnsafeMutableRawBufferPointer, UnsafeRawBufferPointer) -> (written: Int, read: Int, isComplete: Bool)?
) throws(MCAPError) -> [UInt8] {
    var content: [UInt8] = [], piece = [UInt8](repeating: 0, count: pieceBytes)
    var position = bytes.startIndex, isComplete = false
    while !isComplete || position < bytes.endIndex {
        let done = piece.withUnsafeMutableBytes { target in
            bytes[position...].withUnsafeBytes { step(target, $0) }
        }
        guard let done else {
            if isCutOff { return content }
            throw MCAPError(.damaged, "a chunk that cannot be decompressed")
        }
        content += piece[..<done.written]
        position += done.read
        isComplete = done.isComplete
        guard content.count <= size else { throw MCAPError(.damaged, "a chunk of more than the \(size) bytes that it says it has") }
        if done.written == 0, done.read == 0 {
            if isCutOff { return content }
            throw MCAPError(.damaged, "a chunk whose end is missing")
        }
    }
    return content
}
