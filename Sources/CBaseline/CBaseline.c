#include "CBaseline.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

enum { header_size = 50 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *open_publisher(void *context, const char *endpoint, int queue) {
    void *socket = zmq_socket(context, ZMQ_XPUB);
    int on = 1, linger = 0;
    zmq_setsockopt(socket, ZMQ_XPUB_NODROP, &on, sizeof on);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &queue, sizeof queue);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    if (zmq_bind(socket, endpoint) != 0) {
        zmq_close(socket);
        return NULL;
    }
    return socket;
}

static void *open_subscriber(void *context, const char *endpoint, int queue) {
    void *socket = zmq_socket(context, ZMQ_SUB);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &queue, sizeof queue);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "t/", 2);
    if (zmq_connect(socket, endpoint) != 0) {
        zmq_close(socket);
        return NULL;
    }
    return socket;
}

static void await_subscription(void *publisher) {
    char subscription[8];
    zmq_recv(publisher, subscription, sizeof subscription, 0);
}

static void send_message(void *socket, const char *payload, size_t size) {
    static const char header[header_size];
    zmq_send(socket, "t/", 2, ZMQ_SNDMORE);
    zmq_send(socket, header, sizeof header, ZMQ_SNDMORE);
    zmq_send(socket, payload, size, 0);
}

static void receive_message(void *socket) {
    zmq_msg_t part;
    int more;
    do {
        zmq_msg_init(&part);
        zmq_msg_recv(&part, socket, 0);
        more = zmq_msg_more(&part);
        zmq_msg_close(&part);
    } while (more);
}

struct sender {
    void *socket;
    size_t size;
    uint64_t count;
};

static void *send_all(void *argument) {
    struct sender *sender = argument;
    char *payload = calloc(1, sender->size);
    await_subscription(sender->socket);
    for (uint64_t i = 0; i < sender->count; i++) send_message(sender->socket, payload, sender->size);
    free(payload);
    return NULL;
}

int baseline_throughput(const char *endpoint, size_t size, uint64_t count, int queue, double *rate) {
    void *context = zmq_ctx_new();
    void *publisher = open_publisher(context, endpoint, queue);
    void *subscriber = publisher ? open_subscriber(context, endpoint, queue) : NULL;
    int error = subscriber ? 0 : zmq_errno();
    if (!error) {
        struct sender sender = {publisher, size, count};
        pthread_t thread;
        pthread_create(&thread, NULL, send_all, &sender);
        receive_message(subscriber);
        double start = now();
        for (uint64_t i = 1; i < count; i++) receive_message(subscriber);
        *rate = (double)(count - 1) / (now() - start);
        pthread_join(thread, NULL);
    }
    if (subscriber) zmq_close(subscriber);
    if (publisher) zmq_close(publisher);
    zmq_ctx_term(context);
    return error;
}

struct echo {
    void *publisher, *subscriber;
    size_t size;
    uint64_t count;
};

static void *echo_all(void *argument) {
    struct echo *echo = argument;
    char *payload = calloc(1, echo->size);
    await_subscription(echo->publisher);
    for (uint64_t i = 0; i < echo->count; i++) {
        receive_message(echo->subscriber);
        send_message(echo->publisher, payload, echo->size);
    }
    free(payload);
    return NULL;
}

int baseline_round_trips(const char *there, const char *back, size_t size, uint64_t count, double *seconds) {
    void *context = zmq_ctx_new();
    void *out = open_publisher(context, there, 1000), *in = out ? open_subscriber(context, back, 1000) : NULL;
    struct echo echo = {in ? open_publisher(context, back, 1000) : NULL, NULL, size, count};
    if (echo.publisher) echo.subscriber = open_subscriber(context, there, 1000);
    int error = echo.subscriber ? 0 : zmq_errno();
    if (!error) {
        pthread_t thread;
        pthread_create(&thread, NULL, echo_all, &echo);
        char *payload = calloc(1, size);
        await_subscription(out);
        for (uint64_t i = 0; i < count; i++) {
            double start = now();
            send_message(out, payload, size);
            receive_message(in);
            seconds[i] = now() - start;
        }
        free(payload);
        pthread_join(thread, NULL);
    }
    void *sockets[] = {out, in, echo.publisher, echo.subscriber};
    for (int i = 0; i < 4; i++)
        if (sockets[i]) zmq_close(sockets[i]);
    zmq_ctx_term(context);
    return error;
}
