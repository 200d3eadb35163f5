import PipelineTesting
import Testing
@testable import Messaging

struct EndpointTests {
    @Test(arguments: [
        "tcp://127.0.0.1:7400", "tcp://*:7400", "tcp://[::1]:1", "tcp://127.0.0.1:*", "tcp://localhost:7400", "tcp://eth0:7400",
        "ipc:///run/accrete/fuse",
    ])
    func goodOnesStayAsTheyAre(text: String) throws {
        #expect(try Endpoint(text).description == text)
    }

    @Test(arguments: [
        "", "7400", "udp://127.0.0.1:1", "tcp://7400", "tcp://:7400", "tcp://host:0", "tcp://host:65536", "tcp://host:x", "tcp://host:+80",
        "tcp://host:080",
        "tcp://::1:7400", "tcp://[localhost]:7400", "tcp://[::1:7400", "tcp://a b:7400", "tcp://127.0.0.1;127.0.0.2:7400", "ipc:///a\nb",
        "ipc://relative", "ipc:///", "ipc:///" + String(repeating: "x", count: 107),
    ])
    func badOnesAreRefusedWithASentence(text: String) {
        let error = #expect(throws: MessagingError.self) { try Endpoint(text) }
        #expect(error?.description.hasPrefix("cannot use “\(text)” as an endpoint: ") == true)
    }

    @Test(arguments: [
        ("tcp://127.0.0.1:7400", "tcp://127.0.0.1:7400", true), ("tcp://127.0.0.1:7400", "tcp://*:7400", true),
        ("tcp://0.0.0.0:7400", "tcp://[::1]:7400", true), ("tcp://localhost:7400", "tcp://127.0.0.1:7400", true),
        ("tcp://[::1]:7400", "tcp://[0:0::1]:7400", true), ("tcp://[::]:7400", "tcp://10.0.0.1:7400", true),
        ("tcp://127.0.0.1:7400", "tcp://127.0.0.1:7401", false), ("tcp://127.0.0.1:7400", "tcp://10.0.0.1:7400", false),
        ("tcp://127.0.0.1:*", "tcp://127.0.0.1:*", false), ("ipc:///run/a", "ipc:///run/./a", true),
        ("ipc:///run/a", "ipc:///run/b", false),
        ("ipc:///run/a", "tcp://127.0.0.1:7400", false),
    ])
    func twoStagesAtOnePlaceClash(one: String, other: String, expected: Bool) throws {
        #expect(try Endpoint(one).clashes(with: Endpoint(other)) == expected)
        #expect(try Endpoint(other).clashes(with: Endpoint(one)) == expected)
    }

    @Test func nobodyConnectsToEveryAddressOrToAnyPort() throws {
        for text in ["tcp://*:7400", "tcp://0.0.0.0:7400", "tcp://[::]:7400"] {
            #expect(try Endpoint(text).whyNobodyConnects?.hasPrefix("nobody can connect to ") == true, "\(text)")
            #expect(try Endpoint(text).onThisHost.description == "tcp://127.0.0.1:7400")
        }
        #expect(try Endpoint("tcp://127.0.0.1:*").whyNobodyConnects?.hasPrefix("nobody can connect to port *") == true)
        #expect(try Endpoint("tcp://localhost:7400").whyNobodyConnects == nil)
        #expect(try Endpoint("ipc:///run/accrete/fuse").whyNobodyConnects == nil)
    }

    @Test func aNameIsBoundAtItsAddress() throws {
        #expect(try Endpoint("tcp://localhost:7400").placeToBind.text == "tcp://127.0.0.1:7400")
        #expect(try Endpoint("tcp://[::1]:7400").placeToBind == .init(text: "tcp://[::1]:7400", isIPv6: true))
        #expect(try Endpoint("tcp://[::1]:7400").placeToConnect.isIPv6)
        #expect(try Endpoint("tcp://*:7400").placeToBind == .init(text: "tcp://*:7400", isIPv6: false))
    }
}
