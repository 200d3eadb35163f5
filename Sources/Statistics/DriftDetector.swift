import Foundation
import StrictJSON

/// Detects a change of distribution (concept drift) in a stream of numbers.
///
/// A detector is a value that holds its whole state: encoded and decoded, it continues exactly where it was.
/// After reporting a drift it resets, and starts again with the next number.
public protocol DriftDetector: Codable, Sendable {
    associatedtype Configuration: Settings

    init(_ settings: Configuration)

    /// Adds the next number of the stream.
    /// - Parameter x: a finite number.
    /// - Returns: whether a drift is detected at this number.
    mutating func update(_ x: Double) -> Bool
}

/// All detectors, by the names used in configurations and by `accrete drift`.
public let driftDetectors: Named<any DriftDetector.Type> = [
    "ADWIN": ADWIN.self,
    "PageHinkley": PageHinkley.self,
    "DDM": DDM.self,
    "KSWIN": KSWIN.self,
    "CUSUM": CUSUM.self,
    "EveryN": EveryN.self,
]

/// A detector chosen by name and settings.
///
/// Numbers that are not finite are skipped and counted in `ignored`. Numbers beyond ±1e100 are clamped to it, so that sums of squares
/// stay finite.
public struct NamedDetector: Sendable {
    public let name: String
    public private(set) var ignored = 0
    private var detector: any DriftDetector

    /// Creates a detector.
    /// - Parameters:
    ///   - name: a key of `list`, in any letter case.
    ///   - settings: a JSON object whose keys override the detector's defaults.
    /// - Throws: an unknown name, an unknown key or a value out of range.
    public init(
        _ name: String, settings: JSON = .object([:]), from list: Named<any DriftDetector.Type> = driftDetectors
    ) throws(SettingsError) {
        let (name, type) = try Self.find(name, in: list)
        self.name = name
        detector = try Self.make(type, settings)
    }

    public mutating func update(_ x: Double) -> Bool {
        guard x.isFinite else {
            ignored += 1
            return false
        }
        return detector.update(min(max(x, -Self.greatest), Self.greatest))
    }

    private static let greatest = 1e100

    private static func find(
        _ name: String, in list: Named<any DriftDetector.Type>
    ) throws(SettingsError) -> (String, any DriftDetector.Type) {
        guard let found = list.first(where: { $0.key.lowercased() == name.lowercased() }) else {
            throw SettingsError("detector", "there is no '\(name)'; there are \(list.names)")
        }
        return (found.key, found.value)
    }

    private static func make<Detector: DriftDetector>(_: Detector.Type, _ settings: JSON) throws(SettingsError) -> any DriftDetector {
        Detector(try Detector.Configuration(settings))
    }
}

extension NamedDetector: Codable {
    private enum CodingKeys: CodingKey { case name, ignored, detector }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let list = decoder.userInfo[.driftDetectors] as? Named<any DriftDetector.Type> ?? driftDetectors
        let (name, type) = try Self.find(container.decode(String.self, forKey: .name), in: list)
        self.name = name
        ignored = try container.decode(Int.self, forKey: .ignored)
        detector = try container.decode(type, forKey: .detector)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(ignored, forKey: .ignored)
        try container.encode(detector, forKey: .detector)
    }
}

extension CodingUserInfoKey {
    /// Where a decoder of detectors finds a `Named<any DriftDetector.Type>` that is longer than `driftDetectors`.
    public static let driftDetectors = CodingUserInfoKey("driftDetectors")

    /// A key has a name of its own, so that there is always one.
    public init(_ name: StaticString) {
        guard let key = CodingUserInfoKey(rawValue: "\(name)") else { preconditionFailure("\(name) is no key") }
        self = key
    }
}
