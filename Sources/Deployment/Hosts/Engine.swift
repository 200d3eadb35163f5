/// What starts the processes of a graph on several hosts: something that is there already.
public protocol Engine: Sendable {
    /// As `--engine` names it.
    static var name: String { get }

    /// The files that it wants, by their paths in the directory that is written; the settings are there as `settings.yaml`.
    /// - Parameters:
    ///   - plan: the processes.
    ///   - executables: the directory of Accrete's executables on every host.
    static func files(_ plan: HostPlan, executables: String) -> [String: String]

    /// What to do next, for a person: one line a step.
    static func steps(_ plan: HostPlan, directory: String) -> [String]
}

/// All engines. A new one is a file and a line here.
public let engines: [any Engine.Type] = [Systemd.self, Slurm.self, Kubernetes.self]
