import Statistics

/// A frozen pretrained network that turns sound of any length into features.
///
/// A frontend is one file, and one line in its list (`soundFrontends`).
public protocol SoundFrontend: Sendable {
    /// The name in settings.
    static var name: String { get }
    /// The name of its file in the directory of models.
    static var fileName: String { get }
    /// In hertz.
    static var sampleRate: Int { get }
    /// The number of features of a row.
    static var columns: Int { get }
    /// The number of samples of a row.
    static var hop: Int { get }
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

    /// Computes features, a row for each `hop` samples that have begun.
    /// - Parameter samples: finite numbers at `sampleRate`, one or more.
    /// - Returns: (rows, columns).
    /// - Throws: `SensesError` if a feature is not finite.
    func features(of samples: [Float]) throws(SensesError) -> [Float]
}

/// Every pretrained frontend for sounds, by name.
public let soundFrontends: Named<any SoundFrontend.Type> = [WhisperSound.name: WhisperSound.self]
