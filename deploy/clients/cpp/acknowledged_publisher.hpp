// Publishes to a running graph that has a journal, and knows what is on disk: nothing that was acknowledged is lost.
// schemas/README.md, section 15. Needs cppzmq, and: protoc --proto_path=schemas --cpp_out=DIR schemas/accrete/v1/*.proto
#pragma once
#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <zmq.hpp>
#include "accrete/v1/journal.pb.h"

class AcknowledgedPublisher {
    using Clock = std::chrono::steady_clock;
    struct Message { uint64_t sequence; std::string topic, header, payload; bool hasPayload; };
    zmq::socket_t socket;
    std::string source;
    uint64_t epoch, sequence = 0, acknowledged = 0, credit = 0;
    std::deque<Message> unsent, sent;
    Clock::time_point greeted;

    static uint64_t now() { return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count(); }
    void stamp(accrete::v1::Stamp *stamp, uint64_t number) {
        stamp->set_schema_version(1), stamp->set_source(source), stamp->set_epoch(epoch), stamp->set_sequence(number);
        stamp->set_clock("unix"), stamp->set_time(int64_t(now()));
    }
    void transmit(const Message &one) {  // where nobody is there, it is sent again after the next greeting
        auto part = [&](const std::string &bytes, bool more) {
            auto flags = zmq::send_flags::dontwait | (more ? zmq::send_flags::sndmore : zmq::send_flags::none);
            return socket.send(zmq::buffer(bytes), flags).has_value();
        };
        if (part(one.topic, true) && part(one.header, one.hasPayload) && one.hasPayload) part(one.payload, false);
    }
    void greet() {
        greeted = Clock::now(), credit = 0;
        accrete::v1::Greeting greeting;
        stamp(greeting.mutable_stamp(), acknowledged + 1);
        transmit({0, "greeting." + source + "/", greeting.SerializeAsString(), "", false});
    }
    void take(const accrete::v1::Acknowledgement &answer) {
        if (answer.problem() == "unknownSource" && credit > 0) return greet();
        if (answer.epoch() != epoch || !answer.problem().empty()) return;
        if (answer.sequence() > acknowledged) acknowledged = answer.sequence(), greeted = Clock::now();
        for (const auto &one : answer.refused()) refused[one.sequence()] = one.reason();
        credit = answer.credit();
        while (!sent.empty() && sent.front().sequence <= acknowledged) sent.pop_front();
        if (answer.again()) unsent.insert(unsent.begin(), sent.begin(), sent.end()), sent.clear();
    }
    void work(int milliseconds) {  // takes acknowledgements, and sends what they allow
        zmq::pollitem_t item{socket, 0, ZMQ_POLLIN, 0};
        for (; zmq::poll(&item, 1, std::chrono::milliseconds(milliseconds)) > 0; milliseconds = 0) {
            zmq::message_t topic, header;
            (void)socket.recv(topic), (void)socket.recv(header);
            accrete::v1::Acknowledgement answer;
            if (answer.ParseFromArray(header.data(), int(header.size()))) take(answer);
        }
        for (; !unsent.empty() && unsent.front().sequence <= acknowledged + credit; unsent.pop_front()) {
            sent.push_back(unsent.front());
            transmit(sent.back());
        }
        if ((!sent.empty() || !unsent.empty()) && Clock::now() - greeted > std::chrono::seconds(1)) greet();
    }

public:
    std::map<uint64_t, std::string> refused;  // why, by sequence

    AcknowledgedPublisher(zmq::context_t &context, const std::string &endpoint, const std::string &source)
        : socket(context, zmq::socket_type::dealer), source(source), epoch(now()) {
        socket.set(zmq::sockopt::linger, 0), socket.connect(endpoint);
        greet();
    }
    // Stamps and sends a message; waits while as many as may be are unacknowledged.
    template <class M> void send(const std::string &topic, M message, const std::string *payload = nullptr) {
        stamp(message.mutable_stamp(), ++sequence);
        unsent.push_back({sequence, topic, message.SerializeAsString(), payload ? *payload : "", payload != nullptr});
        for (work(0); !unsent.empty(); work(50)) {}
    }
    uint64_t known() const { return acknowledged; }  // the newest sequence that is on disk or was refused
    void flush() { for (work(0); acknowledged < sequence; work(50)) {} }  // returns when all of it is on disk or was refused
};
