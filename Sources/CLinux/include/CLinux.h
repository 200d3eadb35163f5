#pragma once
#include <sys/eventfd.h>
#include <sys/file.h>

/// Writes standard output line by line even where it is no terminal, so that whoever reads a pipe or a log sees each line when it is there.
void write_line_by_line(void);
