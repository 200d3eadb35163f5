import Messaging
import Pipeline
import Statistics

extension StageSettings {
    /// The invalid settings of the sections that every stage reads: `messaging`, `security`, `lockstep`, `endpoints`.
    public var sharedProblems: [SettingsError] {
        messagingProblems.inSection("messaging") + security.problems.inSection("security") + lockstepProblems.inSection("lockstep")
            + endpointProblems
    }

    private var messagingProblems: [SettingsError] {
        var problems = RangeProblems()
        problems.require("frameBytes", messaging.frameBytes, in: 1 << 16...1 << 34)
        problems.require("cutFactor", messaging.cutFactor, in: 1...64)
        problems.require("parts", messaging.parts, in: 8...256)
        problems.require("headerBytes", messaging.headerBytes, in: 1 << 14...1 << 30)
        problems.require("nameBytes", messaging.nameBytes, in: 160...1 << 12)
        problems.require("textBytes", messaging.textBytes, in: 1 << 10...1 << 26)
        problems.require("entries", messaging.entries, in: 64...1_000_000)
        problems.require("sendBytes", messaging.sendBytes, in: 1 << 20...1 << 36)
        problems.require("subscriptionBytes", messaging.subscriptionBytes, in: 1 << 10...1 << 24)
        problems.require("sourceShare", messaging.sourceShare, in: 0.01...1)
        problems.require("sendQueue", messaging.sendQueue, in: 16...1_000_000)
        problems.require("receiveQueue", messaging.receiveQueue, in: 16...1_000_000)
        problems.require("waitingMessages", messaging.waitingMessages, in: 16...1_000_000)
        problems.require("waitingBytes", messaging.waitingBytes, in: 1 << 20...1 << 36)
        problems.require("sources", messaging.sources, in: 1...1_000_000)
        problems.require("lingerMilliseconds", messaging.lingerMilliseconds, in: 0...60_000)
        return problems.found + (mode == .lockstep ? tooSmallQueues : [])
    }

    /// Smaller queues could make stages wait for each other in a cycle.
    private var tooSmallQueues: [SettingsError] {
        let least = lockstep.window.clampedMultiplying(by: 8)
        let queues = [
            ("sendQueue", messaging.sendQueue), ("receiveQueue", messaging.receiveQueue), ("waitingMessages", messaging.waitingMessages),
        ]
        return queues.filter { $0.1 < least }.map {
            SettingsError($0.0, "\($0.1) is less than eight times lockstep.window, \(least), which lockstep wants")
        }
    }

    private var lockstepProblems: [SettingsError] {
        var problems = RangeProblems()
        problems.require("window", lockstep.window, in: 1...1024)
        problems.require("patience", lockstep.patience, in: 1...86_400)
        return problems.found
    }
}
