#pragma once
#include <stddef.h>
#include <stdint.h>

/// Plain loops over libzmq, for comparison: XPUB to SUB between two threads, messages of three parts as the stages send them (a
/// topic, a header of 50 bytes, a payload of `size` bytes). Nothing is lost: a sender whose queue is full waits.
/// All return 0, or ZeroMQ's errno.

/// Sends `count` messages; sets `rate` to the messages per second from the first to the last that arrived.
int baseline_throughput(const char *endpoint, size_t size, uint64_t count, int queue, double *rate);

/// Sends a message there and back `count` times, one at a time; sets `seconds` to the time of each round trip.
int baseline_round_trips(const char *there, const char *back, size_t size, uint64_t count, double *seconds);
