import Logging
import Messaging
import Schema
import Synchronization
import Testing
@testable import Pipeline

struct LogTests {
    /// Records log messages.
    private final class Lines: LogHandler, Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }

        func log(event: LogEvent) { lines.withLock { $0.append(event.message.description) } }
        subscript(metadataKey _: String) -> Logger.Metadata.Value? {
            get { nil }
            set {}
        }
        var metadata: Logger.Metadata {
            get { [:] }
            set {}
        }
        var logLevel: Logger.Level {
            get { .trace }
            set {}
        }
    }

    @Test func whatCameFromOutsideStaysOnItsLine() {
        let lines = Lines()
        var log = BurstLog(Logger(label: "test") { _ in lines }, period: .seconds(10))
        log.note(Refusal(.unknownTopic, "sensor.\nerror: all is lost\r\u{1B}[2J\u{202E}x\u{2028}y\u{0}"), at: Instant(nanoseconds: 0))
        #expect(lines.all == ["dropped 1 × unknownTopic, such as: sensor.\\nerror: all is lost\\r\\u{1B}[2J\\u{202E}x\\u{2028}y\\u{0}"])
    }

    @Test func ordinaryTextIsShownAsItIs() {
        #expect("“Grüße”, 漢字, 🙂 x̂ 5 %".printable() == "“Grüße”, 漢字, 🙂 x̂ 5 %")
        #expect(String(repeating: "é", count: 10_000_000).printable(atMost: 3) == "ééé…")
        #expect("a\tb".printable(atMost: 3) == "a\\tb")
    }

    @Test func countsOfABurstStopAtTheGreatestNumber() {
        let lines = Lines()
        var log = BurstLog(Logger(label: "test") { _ in lines }, period: .seconds(10))
        for second in [0, 1, 2, 11] as [Int64] {
            log.note(Refusal(.overflow), count: .max, at: Instant(nanoseconds: second * 1_000_000_000))
        }
        #expect(lines.all == ["dropped \(UInt64.max) × overflow", "dropped \(UInt64.max) × overflow"])
    }
}
