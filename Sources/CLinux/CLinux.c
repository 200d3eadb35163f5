#include "CLinux.h"
#include <stdio.h>

void write_line_by_line(void) { setvbuf(stdout, NULL, _IOLBF, BUFSIZ); }
