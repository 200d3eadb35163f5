// Publishes vectors that end moments, and says what is on disk.  usage: publish_acknowledged ENDPOINT COUNT SOURCE
#include <cstring>
#include <iostream>
#include "acknowledged_publisher.hpp"
#include "accrete/v1/sensor.pb.h"

int main(int count, char **arguments) {
    if (count != 4) return std::cerr << "usage: publish_acknowledged ENDPOINT COUNT SOURCE\n", 2;
    const std::string source = arguments[3];
    zmq::context_t context;
    AcknowledgedPublisher publisher(context, arguments[1], source);
    for (int number = 0; number < std::stoi(arguments[2]); number++) {
        accrete::v1::SensorReading reading;
        reading.set_session(source), reading.set_modality("vector"), reading.set_format("vector/f32le");
        reading.set_ends(accrete::v1::CUT_KIND_EXPLICIT);
        const float values[3] = {float(number), 0.5f, -0.5f};
        std::string payload(sizeof values, '\0');
        std::memcpy(payload.data(), values, sizeof values);
        publisher.send("sensor.vector." + source + "/", reading, &payload);
    }
    publisher.flush();
    std::cout << publisher.known() << " acknowledged, " << publisher.refused.size() << " refused\n";
}
