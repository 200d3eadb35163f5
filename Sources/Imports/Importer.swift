import Recordings
import Statistics

/// Turns files of a data set, or of another program, into sessions.
public protocol Importer: Sendable {
    /// What is read, in a few words.
    static var summary: String { get }
    /// Reads the files.
    /// - Throws: what is wrong, in one sentence.
    init(path: String) throws
    /// Settings, as `key=value`, that a graph needs for these sessions besides its defaults.
    var settings: [String] { get }
    /// Writes the sessions.
    /// - Throws: an error of the file system.
    func write(to output: inout SessionOutput) throws
}

/// Every kind of files that is read, by name.
public let importers: Named<any Importer.Type> = [
    "aci-bench": TurnsOfVisits.self,
    "arkit-logger": CameraPoses.self,
    "arkit": CameraMotions.self,
    "assist09": AnswersOfStudents.self,
    "bridge": TutoringDialogues.self,
    "captaincook4d": StepsOfRecipes.self,
    "ecg": Heartbeats.self,
    "mts-dialog": DialoguesOfVisits.self,
]

/// Nanoseconds in a number of seconds that a reader has checked.
func time(_ seconds: Double) -> Int64 { Int64(nanosecondsIn: seconds, rounded: .toNearestOrAwayFromZero) }
