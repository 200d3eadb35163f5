import Files
import SwiftProtobuf

/// Writes scalars as an event file, which TensorBoard draws.
///
/// A file is a run of records: the size of the content and its masked CRC-32C, then the content, a TensorFlow `Event`, and its own.
/// https://www.tensorflow.org/tutorials/load_data/tfrecord
public final class EventFileWriter {
    private let file: OutputFile

    public var path: String { file.path }

    /// Creates an event file in a directory, which is made if it is missing.
    /// - Parameters:
    ///   - directory: the run's directory; TensorBoard shows it under its name.
    ///   - time: seconds since 1970.
    /// - Throws: `FileError`, also if this second's file is already there.
    public init(directory: String, time: Double) throws(FileError) {
        try makeDirectory(at: directory)
        file = try OutputFile(creating: "\(directory)/events.out.tfevents.\(Int64(exactly: time.rounded(.down)) ?? 0).accrete")
        try append(
            .with {
                $0.wallTime = time
                $0.fileVersion = "brain.Event:2"
            })
    }

    /// Appends values, each with its name; slashes in a name make groups.
    /// - Parameters:
    ///   - scalars: values by name; one that is not finite is left out.
    ///   - step: the position in the stream, on the horizontal axis.
    ///   - time: seconds since 1970.
    /// - Throws: `FileError`.
    public func add(_ scalars: [String: Double], step: Int64, time: Double) throws(FileError) {
        let values = scalars.filter(\.value.isFinite).sorted { $0.key < $1.key }
        guard !values.isEmpty else { return }
        let event = Tensorflow_Event.with {
            $0.wallTime = time
            $0.step = step
            $0.summary.value = values.map { name, value in
                .with {
                    $0.tag = name
                    $0.simpleValue = Float(value)
                }
            }
        }
        try append(event)
    }

    private func append(_ event: Tensorflow_Event) throws(FileError) {
        let content: [UInt8]
        do { content = try event.serializedBytes() } catch { throw FileError(file.path, .cannotWrite("\(error)")) }
        let size = Self.bytes(UInt64(content.count))
        try file.append(
            size + Self.bytes(Self.masked(CRC32C.checksum(of: size))) + content + Self.bytes(Self.masked(CRC32C.checksum(of: content))))
    }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }

    /// A checksum that may itself be part of what has a checksum.
    private static func masked(_ checksum: UInt32) -> UInt32 { (checksum >> 15 | checksum << 17) &+ 0xA282_EAD8 }
}
