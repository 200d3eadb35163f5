import Messaging
import Testing
@testable import Configuration
@testable import Wiring

struct WiringTests {
    @Test func boundsOfMessagesHoldInEveryMode() {
        for mode in [GraphSettings().mode, .lockstep] {
            var settings = GraphSettings()
            settings.mode = mode
            settings.messaging.parts = 9
            settings.messaging.cutFactor = 2
            settings.messaging.frameBytes = 1 << 21
            settings.messaging.headerBytes = 1 << 15
            settings.messaging.nameBytes = 200
            settings.messaging.sources = 77
            settings.messaging.sendQueue = 5_000
            settings.messaging.receiveQueue = 6_000
            settings.messaging.waitingMessages = 7_000
            settings.messaging.waitingBytes = 8 << 20
            #expect(settings.problems.isEmpty)
            #expect(settings.stageOptions.limits == settings.messaging)
        }
    }

    @Test func inLockstepQueuesThatNobodySetAreLargerThanTheWindow() {
        var settings = GraphSettings()
        settings.mode = .lockstep
        settings.messaging.parts = 9
        let limits = settings.stageOptions.limits
        #expect(
            limits.sendQueue == 100_000 && limits.receiveQueue == 100_000 && limits.waitingMessages == 16_384
                && limits.waitingBytes == 256 << 20)
        #expect(limits.parts == 9)
        settings.messaging.sendQueue = 255
        #expect(settings.problems.map(\.problem) == ["255 is less than eight times lockstep.window, 256, which lockstep wants"])
        settings.mode = .live
        #expect(settings.problems.isEmpty)
    }
}
