import CZstd

/// Compression of deltas.  https://www.rfc-editor.org/rfc/rfc8878
enum Zstandard {
    private static let level: Int32 = 3
    /// The greatest window of a frame, as a power of two: 128 MiB, which is what the zstd program accepts.
    private static let windowLimit: Int32 = 27

    static func compress(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(bytes.count)) { target, count in
            count = bytes.withUnsafeBytes { ZSTD_compress(target.baseAddress, target.count, $0.baseAddress, $0.count, level) }
            precondition(ZSTD_isError(count) == 0, "zstd could not compress \(bytes.count) bytes")
        }
    }

    /// The bytes that were compressed; nil where they are not of this size, or there are none such. No more than `size` bytes are written.
    static func decompress(_ bytes: [UInt8], exactly size: Int) -> [UInt8]? {
        guard let context = ZSTD_createDCtx() else { return nil }
        defer { ZSTD_freeDCtx(context) }
        ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, windowLimit)
        let plain = [UInt8](unsafeUninitializedCapacity: size) { target, count in
            let result = bytes.withUnsafeBytes { ZSTD_decompressDCtx(context, target.baseAddress, size, $0.baseAddress, $0.count) }
            count = ZSTD_isError(result) == 0 && result <= size ? result : 0
        }
        return plain.count == size ? plain : nil
    }
}
