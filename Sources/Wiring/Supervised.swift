/// The environment variables and locks by which a supervisor and the processes it starts cooperate.
public enum Supervised {
    /// The variable with the supervisor's process id.
    public static let supervisor = "ACCRETE_SUPERVISOR"
    /// The variable with the directory of the run's logs, where a child also keeps files that the supervisor reads.
    public static let logs = "ACCRETE_LOGS"
    /// The lock file in that directory that all children of a run share.
    public static let lock = "children.lock"
    /// The lock file in a checkpoint directory that its learner holds, supervised or not.
    public static let learnerLock = "learner.lock"
}
