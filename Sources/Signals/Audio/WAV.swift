import CSndFile

/// Decodes WAV with libsndfile, and encodes it.  http://soundfile.sapp.org/doc/WaveFormat
enum WAV {
    static func recognises(_ bytes: [UInt8]) -> Bool {
        WAVChunks.forms.contains { bytes.holds($0, at: 0) } && bytes.holds("WAVE", at: 8)
    }

    /// Decodes all samples of a file, also if the header has a wrong length because the file was written to a pipe.
    static func decode(_ bytes: [UInt8], limits: SoundLimits) throws(SignalRefusal) -> Waveform {
        try WAVChunks(bytes).canonical.withUnsafeBufferPointer { source throws(SignalRefusal) in
            var file = MemoryFile(bytes: UnsafeRawBufferPointer(source))
            return try withUnsafeMutablePointer(to: &file) { file throws(SignalRefusal) in
                var callbacks = MemoryFile.callbacks
                var info = SF_INFO()
                guard let sound = sf_open_virtual(&callbacks, CInt(SFM_READ), &info, file) else {
                    throw SignalRefusal(.undecodable, "WAV: \(String(cString: sf_strerror(nil)))")
                }
                defer { sf_close(sound) }
                let frames = Int(info.frames)
                let channels = Int(info.channels)
                try limits.check(frames: frames, channels: channels, sampleRate: Int(info.samplerate))
                var samples = [Float](repeating: 0, count: frames * channels)
                let read = Int(sf_readf_float(sound, &samples, sf_count_t(frames)))
                guard read == frames else { throw SignalRefusal(.truncated, "WAV: \(read) of \(frames) frames") }
                return Waveform(interleaved: samples, channels: channels, sampleRate: Int(info.samplerate))
            }
        }
    }

    /// Encodes 16-bit mono PCM.
    static func encode(_ waveform: Waveform) -> [UInt8] {
        let data = waveform.samples.count * 2
        var bytes: [UInt8] = []
        bytes.reserveCapacity(44 + data)
        func append<Number: FixedWidthInteger>(_ number: Number) {
            withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
        }
        bytes += "RIFF".utf8
        append(UInt32(36 + data))
        bytes += "WAVEfmt ".utf8
        append(UInt32(16))
        append(UInt16(1))  // PCM
        append(UInt16(1))  // channels
        append(UInt32(waveform.sampleRate))
        append(UInt32(waveform.sampleRate * 2))
        append(UInt16(2))  // bytes per frame
        append(UInt16(16))  // bits per sample
        bytes += "data".utf8
        append(UInt32(data))
        for sample in waveform.samples { append(Int16(clamping: Int((max(-1, min(1, sample)) * 32_768).rounded()))) }
        return bytes
    }
}

extension Waveform {
    /// Decodes a WAV file of any rate and number of channels, whose mean it takes.
    /// - Parameter maximumSeconds: the longest sound that is decoded.
    /// - Throws: `undecodable`, `empty`, `truncated`, `tooLarge`, `wrongShape`, `nonFinite`.
    public init(ofFile bytes: [UInt8], maximumSeconds: Double) throws(SignalRefusal) {
        guard WAV.recognises(bytes) else { throw SignalRefusal(.undecodable, "not a WAV file") }
        self = try WAV.decode(bytes, limits: SoundLimits(maximumSeconds: maximumSeconds))
        guard samples.allSatisfy(\.isFinite) else { throw SignalRefusal(.nonFinite, "a sample is not finite") }
    }

    /// The same sound at another sample rate, in hertz.
    public func resampled(to sampleRate: Int) -> Waveform { Resampler(target: sampleRate)(self) }
}

/// Bytes in memory as a virtual file of libsndfile, read through callbacks.
private struct MemoryFile {
    let bytes: UnsafeRawBufferPointer
    var position = 0

    static let callbacks = SF_VIRTUAL_IO(
        get_filelen: { file in sf_count_t(MemoryFile.of(file).pointee.bytes.count) },
        seek: { offset, origin, file in
            let file = MemoryFile.of(file)
            let start = origin == SEEK_CUR ? file.pointee.position : origin == SEEK_END ? file.pointee.bytes.count : 0
            let (target, overflow) = start.addingReportingOverflow(Int(offset))
            guard !overflow, (0...file.pointee.bytes.count).contains(target) else { return -1 }
            file.pointee.position = target
            return sf_count_t(target)
        },
        read: { target, count, file in
            let file = MemoryFile.of(file)
            let count = min(Int(count), file.pointee.bytes.count - file.pointee.position)
            guard count > 0, let target, let source = file.pointee.bytes.baseAddress else { return 0 }
            target.copyMemory(from: source + file.pointee.position, byteCount: count)
            file.pointee.position += count
            return sf_count_t(count)
        },
        write: { _, _, _ in 0 },
        tell: { file in sf_count_t(MemoryFile.of(file).pointee.position) })

    private static func of(_ pointer: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<MemoryFile> {
        guard let pointer else { preconditionFailure("libsndfile has called back without its file") }
        return pointer.assumingMemoryBound(to: MemoryFile.self)
    }
}
