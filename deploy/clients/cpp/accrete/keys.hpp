// The keys with which a client connects to a graph whose TCP connections are encrypted (`accrete keys new`).  deploy/security.md
//
//     void *socket = zmq_socket(context, ZMQ_SUB);
//     accrete::use_keys(socket, "laptop.key");  // before it connects; with cppzmq: socket.handle()
//     zmq_connect(socket, "tcp://graph.example:7402");
#pragma once
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace accrete {

/// The text of a member of the JSON object that a key's file is. Keys are Z85, which has no quotes and no backslashes.
inline std::string member(const std::string &object, const std::string &name) {
    auto place = object.find('"' + name + "\":");
    auto start = place == std::string::npos ? place : object.find('"', place + name.size() + 3);
    auto end = start == std::string::npos ? start : object.find('"', start + 1);
    if (end == std::string::npos) throw std::runtime_error("a key's file without " + name);
    return object.substr(start + 1, end - start - 1);
}

/// Encrypts what the socket connects to from now on, over TCP. Throws std::runtime_error where the file is none, or open to others.
inline void use_keys(void *socket, const std::string &path) {
    struct stat status;
    if (stat(path.c_str(), &status) != 0 || status.st_uid != geteuid() || (status.st_mode & 077) != 0)
        throw std::runtime_error(path + ": not there, not yours, or others have access to it; chmod 600 " + path);
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::string graph = member(text, "graph"), own = member(text, "public"), secret = member(text, "secret");
    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, graph.data(), graph.size()) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, own.data(), own.size()) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret.data(), secret.size()) != 0)
        throw std::runtime_error(path + ": ZeroMQ does not take the keys");
}

}  // namespace accrete
