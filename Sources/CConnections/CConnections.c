#define _GNU_SOURCE
#include "CConnections.h"
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

uint64_t connection_identity(int descriptor) {
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    return getsockopt(descriptor, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

int64_t connection_bytes_received(int descriptor) {
    struct tcp_info info;
    socklen_t size = sizeof info;
    if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return -1;
    if (size < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received) return -1;
    return (int64_t)info.tcpi_bytes_received;
}

void cut_connection(int descriptor, uint64_t identity) {
    if (identity == 0 || connection_identity(descriptor) != identity) return;
    // A peer whose window is closed would notice the end only minutes later: when the owner closes, the connection is reset.
    struct linger at_once = {1, 0};
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    shutdown(descriptor, SHUT_RDWR);
}

int poll_for_microseconds(struct pollfd *items, uint32_t count, int64_t microseconds) {
    struct timespec time = {microseconds / 1000000, microseconds % 1000000 * 1000};
    return ppoll(items, count, microseconds < 0 ? NULL : &time, NULL);
}
