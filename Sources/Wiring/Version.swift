/// The version of this release.
public let accreteVersion = "0.1.0"

/// The exit status of a process that cannot start with its configuration; restarting it would not help. (EX_CONFIG of sysexits.h)
public let startFailureStatus: Int32 = 78
