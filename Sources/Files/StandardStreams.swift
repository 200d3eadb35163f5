import CLinux
import Glibc

/// Writes to standard output and standard error that never trap: a full disk or a closed descriptor is an error of the first and is passed
/// over on the second.
public enum StandardOutput {
    /// Writes all bytes through the buffer that `print` uses too, so that both keep their order.
    /// - Throws: `cannotWrite`.
    public static func write(_ bytes: [UInt8]) throws(FileError) {
        try check(bytes.withUnsafeBytes { write_standard_output($0.baseAddress, $0.count) })
    }

    /// Writes text and sends it on its way at once, as a terminal or a reader of a pipe wants it.
    public static func writeNow(_ text: String) throws(FileError) {
        try write(Array(text.utf8))
        try flush()
    }

    /// Sends everything on its way, `print`'s output as well, and says whether all of it, from the beginning, got there.
    /// - Throws: `cannotWrite`, also where an earlier write failed unnoticed.
    public static func flush() throws(FileError) { try check(flush_standard_output()) }

    private static func check(_ error: Int32) throws(FileError) {
        guard error == 0 else {
            throw FileError("standard output", .cannotWrite(error < 0 ? "a part of it is lost" : String(cString: strerror(error))))
        }
    }
}

public enum StandardError {
    /// Says something to whoever watches. What cannot be said, also because a pipe's reader has gone, is lost; the work goes on.
    public static func write(_ text: String) {
        withoutPipeSignal {
            // there is nowhere left to complain
            try? Array(text.utf8).withUnsafeBytes { try append($0, to: STDERR_FILENO, "standard error") }
        }
    }

    /// Runs `body` with SIGPIPE held back on this thread, and forgets one that it has caused.
    private static func withoutPipeSignal(_ body: () -> Void) {
        var pipe = sigset_t(), before = sigset_t(), pending = sigset_t()
        sigemptyset(&pipe)
        sigaddset(&pipe, SIGPIPE)
        sigpending(&pending)
        let wasPending = sigismember(&pending, SIGPIPE) == 1
        guard pthread_sigmask(SIG_BLOCK, &pipe, &before) == 0 else { return body() }
        body()
        var now = timespec()
        if !wasPending { while sigtimedwait(&pipe, nil, &now) < 0, errno == EINTR {} }
        pthread_sigmask(SIG_SETMASK, &before, nil)
    }
}
