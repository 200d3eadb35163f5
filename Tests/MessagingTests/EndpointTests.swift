import Messaging
import Testing

struct EndpointTests {
    @Test(arguments: ["tcp://127.0.0.1:7400", "tcp://*:7400", "tcp://[::1]:1", "tcp://127.0.0.1:*", "ipc:///run/accrete/fuse"])
    func goodOnesStayAsTheyAre(text: String) throws {
        #expect(try Endpoint(text).description == text)
    }

    @Test(arguments: [
        "", "7400", "udp://127.0.0.1:1", "tcp://7400", "tcp://:7400", "tcp://host:0", "tcp://host:65536", "tcp://host:x",
        "ipc://relative", "ipc:///", "ipc:///" + String(repeating: "x", count: 107),
    ])
    func badOnesAreRefusedWithASentence(text: String) {
        let error = #expect(throws: MessagingError.self) { try Endpoint(text) }
        #expect(error?.description.hasPrefix("cannot use “\(text)” as an endpoint: ") == true)
    }
}
