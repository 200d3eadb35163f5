#pragma once
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/types.h>

/// prctl(PR_SET_PDEATHSIG, signal): the kernel sends `signal` to this process when the thread that started it ends.
int accrete_set_parent_death_signal(int signal);
