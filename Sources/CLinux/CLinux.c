#include "CLinux.h"
#include <errno.h>
#include <stdio.h>

void write_line_by_line(void) { setvbuf(stdout, NULL, _IOLBF, BUFSIZ); }

int write_standard_output(const void *bytes, size_t count) {
    errno = 0;
    if (fwrite(bytes, 1, count, stdout) == count) return 0;
    return errno ? errno : EIO;
}

int flush_standard_output(void) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    return errno ? errno : EIO;
}
