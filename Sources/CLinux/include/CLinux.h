#pragma once
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/file.h>

/// Makes standard output line buffered even where it is no terminal, so that readers of a pipe or a log see each line at once.
void write_line_by_line(void);

/// Appends to standard output's buffer, the one that `print` uses. Returns 0, or the error's number.
int write_standard_output(const void *bytes, size_t count);

/// Flushes standard output's buffer. Returns 0 if everything written to it so far has been written out, or the error's number; −1 where
/// an earlier write failed for an unknown reason.
int flush_standard_output(void);

/// Whether a pipe holds bytes or has a writer. Returns 1 also where that is unknown.
int pipe_has_writer_or_bytes(int descriptor);
