#pragma once

/// The number of memory allocations of the calling thread since it started.
long CAllocationsOfThisThread(void);
