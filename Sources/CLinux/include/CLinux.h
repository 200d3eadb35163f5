#pragma once
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/file.h>

/// Writes standard output line by line even where it is no terminal, so that whoever reads a pipe or a log sees each line when it is there.
void write_line_by_line(void);

/// Appends to standard output's buffer, the one that `print` uses. Returns 0, or the error's number.
int write_standard_output(const void *bytes, size_t count);

/// Empties standard output's buffer. Returns 0 if everything written to it so far has got there, or the error's number; −1 where
/// an earlier write failed and nobody knows why.
int flush_standard_output(void);

/// Whether a pipe holds something or has a writer. Returns 1 also where it cannot be told.
int pipe_has_writer_or_bytes(int descriptor);
