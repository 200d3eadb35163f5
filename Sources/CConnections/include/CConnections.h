#pragma once
#include <stdint.h>

/// A number that no other socket of this host has had since it started; 0 where the descriptor is no socket.  SO_COOKIE, socket(7)
uint64_t connection_identity(int descriptor);

/// Bytes that have come on a TCP connection so far; -1 for anything else.  TCP_INFO, tcp(7)
int64_t connection_bytes_received(int descriptor);

/// Ends a connection in both directions if the descriptor still is the socket of this identity. Its owner closes it.
void cut_connection(int descriptor, uint64_t identity);
