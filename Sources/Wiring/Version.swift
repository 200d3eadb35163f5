/// The version of this release.
public let accreteVersion = "0.1.0"

/// The exit status of a process that cannot start; where it has never run, restarting it would not help. (EX_CONFIG of sysexits.h)
public let startFailureStatus: Int32 = 78
