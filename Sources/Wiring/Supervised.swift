/// What a supervisor tells the processes that it starts, by variables of their environment.
public enum Supervised {
    /// The supervisor's process.
    public static let supervisor = "ACCRETE_SUPERVISOR"
    /// The directory of the run's logs, where a child keeps what the supervisor wants to know of it.
    public static let logs = "ACCRETE_LOGS"
    /// The lock in that directory that every child of a run shares.
    public static let lock = "children.lock"
    /// The lock in a checkpoint's directory that its learner holds, supervised or not.
    public static let learnerLock = "learner.lock"
}
