#pragma once
#include <poll.h>
#include <stdint.h>

/// A number unique among the sockets of this host since it started; 0 where the descriptor is no socket.  SO_COOKIE, socket(7)
uint64_t connection_identity(int descriptor);

/// Bytes received on a TCP connection so far; -1 for anything else.  TCP_INFO, tcp(7)
int64_t connection_bytes_received(int descriptor);

/// Shuts a connection down in both directions if the descriptor still is the socket of this identity. Its owner closes it.
void cut_connection(int descriptor, uint64_t identity);

/// Waits until one of the descriptors has a requested event; returns how many have, or -1 where a signal came first. Below zero
/// microseconds it waits without a limit. Swift's Glibc module lacks ppoll.  ppoll(2)
int poll_for_microseconds(struct pollfd *items, uint32_t count, int64_t microseconds);
