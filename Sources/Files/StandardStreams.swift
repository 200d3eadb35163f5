import CLinux
import Glibc

/// Writes to standard output; a full disk or a closed descriptor is thrown as an error and does not end the process.
public enum StandardOutput {
    /// Writes bytes to the buffer that `print` uses too, so that the order of both is kept.
    /// - Throws: `cannotWrite`.
    public static func write(_ bytes: [UInt8]) throws(FileError) {
        try check(bytes.withUnsafeBytes { write_standard_output($0.baseAddress, $0.count) })
    }

    /// Writes text and flushes it, so that a terminal or the reader of a pipe receives it immediately.
    /// - Throws: `cannotWrite`.
    public static func writeNow(_ text: String) throws(FileError) {
        try write(Array(text.utf8))
        try flush()
    }

    /// Flushes the buffer, including the output of `print`.
    /// - Throws: `cannotWrite`, also if any earlier write of this process to standard output has failed unnoticed.
    public static func flush() throws(FileError) { try check(flush_standard_output()) }

    private static func check(_ error: Int32) throws(FileError) {
        guard error == 0 else {
            throw FileError("standard output", .cannotWrite(error < 0 ? "a part of it is lost" : String(cString: strerror(error))))
        }
    }
}

/// Reads from standard input, line by line.
public enum StandardInput {
    /// Reads the next line, without its line break; nil at the end.
    ///
    /// - Parameter limit: the maximal length of a line, in bytes.
    /// - Throws: `tooLarge`; the rest of the line has been skipped.
    public static func line(atMost limit: Int) throws(FileError) -> [UInt8]? {
        var line: [UInt8] = [], length = 0
        while true {
            let byte = getchar()
            guard byte != EOF else {
                guard length > 0 else { return nil }
                break
            }
            if byte == Int32(UInt8(ascii: "\n")) { break }
            length += 1
            if length <= limit { line.append(UInt8(truncatingIfNeeded: byte)) }
        }
        guard length <= limit else { throw FileError("standard input", .tooLarge(limit: limit)) }
        return line
    }
}

/// Writes to standard error.
public enum StandardError {
    /// Writes text; if it cannot be written, for example because the reader of a pipe has gone, it is lost without an error.
    public static func write(_ text: String) {
        withoutPipeSignal {
            // There is nowhere left to report a failure to.
            try? Array(text.utf8).withUnsafeBytes { try append($0, to: STDERR_FILENO, "standard error") }
        }
    }

    /// Runs `body` with SIGPIPE blocked on this thread, and discards a SIGPIPE that it has caused.
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
