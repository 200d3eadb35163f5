#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/// Prevents files opened later from getting the descriptors of standard input, output and error where these are closed: reading or
/// writing them fails, as if they were still closed. It runs before `main`, because the runtime opens files of its own.
__attribute__((constructor)) static void reserve_standard_streams(void) {
    for (int number = 0; number <= 2; number++) {
        // open returns the lowest free descriptor, which is this one.
        if (fcntl(number, F_GETFD) < 0) (void)open("/dev/null", number == 0 ? O_WRONLY : O_RDONLY);
    }
}

void write_line_by_line(void) { setvbuf(stdout, NULL, _IOLBF, BUFSIZ); }

int write_standard_output(const void *bytes, size_t count) {
    errno = 0;
    if (fwrite(bytes, 1, count, stdout) == count) return 0;
    return errno ? errno : EIO;
}

int flush_standard_output(void) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    return errno ? errno : -1;
}

int pipe_has_writer_or_bytes(int descriptor) {
    int copies[2];
    if (pipe2(copies, O_CLOEXEC) != 0) return 1;
    // Unlike read, tee leaves the byte where it is. It returns 0 where there is none and nobody writes.
    ssize_t count = tee(descriptor, copies[1], 1, SPLICE_F_NONBLOCK);
    close(copies[0]);
    close(copies[1]);
    return count != 0;
}
