/// Decodes interleaved little-endian samples without a header.
enum RawSound {
    /// Decodes `audio/x-s16le`, whose samples are integers that are divided by 32768, or `audio/x-f32le`, whose samples are floats.
    /// - Throws: `wrongShape`, `truncated`, `empty`, `tooLarge`.
    static func decode(_ reading: RawReading, limits: SoundLimits) throws(SignalRefusal) -> Waveform {
        let width = reading.format == "audio/x-s16le" ? 2 : 4
        let channels = max(1, reading.channels)
        guard limits.channels.contains(channels) else {
            throw SignalRefusal(.wrongShape, "\(channels) channels, at most \(limits.channels.upperBound)")
        }
        let bytes = reading.payload.count
        guard bytes % (width * channels) == 0 else {
            throw SignalRefusal(.truncated, "\(bytes) bytes are not a multiple of \(channels) × \(width)-byte samples")
        }
        try limits.check(frames: bytes / (width * channels), channels: channels, sampleRate: reading.sampleRate)
        let samples = stride(from: 0, to: bytes, by: width).map { offset in
            width == 2 ? Float(Int16(bitPattern: reading.payload.unsigned16(at: offset))) / 32_768 : reading.payload.float32(at: offset)
        }
        return Waveform(interleaved: samples, channels: channels, sampleRate: reading.sampleRate)
    }
}
