import CVector
import Files
import Safetensors
import Statistics

/// A frozen pretrained network that turns raw input into features.
///
/// A frontend is one file, and one line in its list (`imageFrontends`).
public protocol PretrainedFrontend: Sendable {
    /// The name in settings.
    static var name: String { get }
    /// The name of its file in the directory of models.
    static var fileName: String { get }
    /// The shape of what it reads.
    static var input: [Int] { get }
    /// The shape of its features.
    static var output: [Int] { get }
    /// The approximate memory of its weights and of one pass, in bytes.
    static var workingBytes: Double { get }

    /// The SHA-256 digest of its file in hexadecimal: features of equal digests are comparable.
    var digest: String { get }

    /// Reads the network's file.
    /// - Parameters:
    ///   - path: the file.
    ///   - threads: the number of threads that compute; the features do not depend on it.
    /// - Throws: `SensesError`.
    init(path: String, threads: Int) throws(SensesError)

    /// Computes features.
    /// - Parameter values: finite numbers of shape `input`.
    /// - Returns: numbers of shape `output`.
    /// - Throws: `SensesError` if a feature is not finite.
    func features(of values: [Float]) throws(SensesError) -> [Float]
}

/// A frontend for pictures of three channels.
public protocol ImageFrontend: PretrainedFrontend {
    /// The share of a picture's shorter side that the network sees, in the middle.
    static var share: Double { get }
    /// Subtracted from pixel values 0…255 of red, green and blue.
    static var mean: [Float] { get }
    /// Divides them then.
    static var scale: [Float] { get }
}

/// Every pretrained frontend for pictures, by name.
public let imageFrontends: Named<any ImageFrontend.Type> = [EfficientNetLite.name: EfficientNetLite.self]

/// The directory in which `deploy/models` stores files.
public let modelDirectory = "models"

/// Why a pretrained network cannot be used.
public struct SensesError: Error, Equatable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}

/// The largest file of a network that is read, in bytes.
let largestFile = 1 << 30

/// Maps a network's file.
/// - Throws: `SensesError`, which says how to get a file that is absent.
func openWeights(_ path: String) throws(SensesError) -> (archive: TensorArchive, digest: String) {
    guard fileExists(path) else { throw SensesError("\(path) does not exist; 'deploy/models senses' downloads it") }
    do {
        let bytes = try readFile(path, atMost: largestFile)
        return (try TensorArchive(bytes: bytes, source: path), SHA256.hex(of: bytes))
    } catch {
        throw SensesError("\(error)")
    }
}

extension TensorArchive {
    /// The finite numbers of a tensor of a certain shape.
    func numbers(_ name: String, _ shape: [Int]) throws(SensesError) -> [Float] {
        do {
            let tensor = try tensor(name, shape: shape)
            guard tensor.type == .float16 else { return try tensor.floats() }
            let numbers = tensor.withUnsafeBytes { bytes in
                [Float](unsafeUninitializedCapacity: tensor.count) { buffer, count in
                    count = tensor.count
                    guard let halves = bytes.bindMemory(to: UInt8.self).baseAddress, let numbers = buffer.baseAddress else { return }
                    CVectorDecodeHalves(PackedMatrix.level, halves, count, numbers)
                }
            }
            return numbers.allSatisfy(\.isFinite) ? numbers : try tensor.floats()  // which says which number is not finite
        } catch { throw SensesError("\(error)") }
    }
}
