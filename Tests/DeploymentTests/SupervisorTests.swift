import Configuration
import Files
import FilesTesting
import Foundation
import Pipeline
import Testing
@testable import Deployment

/// Supervised shells: every event is exact, no time is asserted.
struct SupervisorTests {
    private let folder = Folder()

    private func settings(_ change: (inout SuperviseSettings) -> Void = { _ in }) -> SuperviseSettings {
        var settings = SuperviseSettings()
        (settings.restartDelay, settings.maximumRestartDelay, settings.maximumRestarts, settings.healthyAfter) = (0.001, 0.004, 5, 1000)
        change(&settings)
        return settings
    }

    private func shell(_ script: String, restarts: Bool = true) -> Supervisor.Child {
        .init(name: "child", executable: "/bin/sh", arguments: ["-c", script], restartsAfterSuccess: restarts)
    }

    /// The events, with 0 for process numbers, until the child has finished or the supervisor has given up, at most `count`.
    private func events(_ supervisor: Supervisor, atMost count: Int = 100) async -> [Supervisor.Event] {
        var found: [Supervisor.Event] = []
        for await event in supervisor.events {
            switch event {
            case .started(let name, _, let restarts): found.append(.started(name, process: 0, restarts: restarts))
            default: found.append(event)
            }
            if found.count == count { break }
            if case .gaveUp = event { break }
            if case .finished = event { break }
        }
        return found
    }

    @Test func delaysDoubleUpToTheirBoundUntilTheChildIsGivenUp() async {
        let supervisor = Supervisor(settings(), logs: folder.path)
        await supervisor.start(shell("echo one; echo two; exit 3"))
        let found = await events(supervisor)
        var expected: [Supervisor.Event] = []
        for (restarts, delay) in [0.001, 0.002, 0.004, 0.004, 0.004].enumerated() {
            expected += [
                .started("child", process: 0, restarts: restarts),
                .failed("child", how: "status 3", by: nil, lastLogLine: "two", nextIn: delay),
            ]
        }
        expected += [.started("child", process: 0, restarts: 5), .gaveUp("child", how: "status 3", lastLogLine: "two")]
        #expect(found == expected)
        #expect(await supervisor.restarts == ["child": 5])
    }

    @Test func whatRanLongEnoughIsHealthyAgain() async {
        let supervisor = Supervisor(
            settings {
                $0.healthyAfter = 0; $0.maximumRestarts = 1
            }, logs: folder.path)
        await supervisor.start(shell("exit 1"))
        let found = await events(supervisor, atMost: 8)
        #expect(found.filter { if case .failed(_, _, _, _, 0.001) = $0 { true } else { false } }.count == 4, "\(found)")
        await supervisor.stopAll()
    }

    @Test func whatCannotStartIsGivenUpAtOnce() async {
        let supervisor = Supervisor(settings(), logs: folder.path)
        await supervisor.start(shell("echo no such sense; exit 78"))
        #expect(
            await events(supervisor) == [
                .started("child", process: 0, restarts: 0), .gaveUp("child", how: "it cannot start", lastLogLine: "no such sense"),
            ])
    }

    /// A disk that is full for a while, a port that another still has: the graph goes on when that is over.
    @Test func whatHasRunAndCannotStartForAWhileIsStartedAgain() async {
        let supervisor = Supervisor(settings(), logs: folder.path)
        await supervisor.start(
            shell(
                "cd \(folder.path); n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) > n; [ $n = 0 ] && kill -9 $$; "
                    + "[ $n -lt 4 ] && echo full && exit 78; exit 0", restarts: false))
        let found = await events(supervisor)
        let failures = found.compactMap { if case .failed(_, let how, _, _, _) = $0 { how } else { nil } }
        #expect(failures == ["signal 9, Killed"] + Array(repeating: "it cannot start", count: 3) && found.last == .finished("child"))
    }

    @Test func whatHasRunAndCannotStartAnyMoreIsGivenUp() async {
        let supervisor = Supervisor(settings { $0.maximumRestarts = 3 }, logs: folder.path)
        await supervisor.start(shell("cd \(folder.path); [ -e run ] && echo full && exit 78; echo > run; exit 3"))
        let found = await events(supervisor)
        #expect(found.last == .gaveUp("child", how: "it cannot start", lastLogLine: "full") && found.count == 8, "\(found)")
    }

    @Test func whatIsNotThereIsGivenUpAtOnce() async {
        let supervisor = Supervisor(settings(), logs: folder.path)
        await supervisor.start(.init(name: "child", executable: folder.path("none"), arguments: []))
        #expect(
            await events(supervisor) == [
                .gaveUp("child", how: "\(folder.path("none")) cannot be run: No such file or directory", lastLogLine: "")
            ])
    }

    @Test func aPublisherThatIsDoneIsNotStartedAgain() async {
        let supervisor = Supervisor(settings(), logs: folder.path)
        await supervisor.start(shell("exit 0", restarts: false))
        #expect(await events(supervisor) == [.started("child", process: 0, restarts: 0), .finished("child")])
    }

    @Test func whatDoesNotEndWhenAskedIsKilledAfterTheGrace() async throws {
        let supervisor = Supervisor(settings { $0.stopGrace = 0.1 }, logs: folder.path)
        await supervisor.start(shell("trap 'echo asked' TERM; echo ready; while :; do sleep 0.02; done"))
        var process: Int32 = 0
        for await event in supervisor.events { if case .started(_, let number, _) = event { process = number; break } }
        while !log.contains("ready") { try await Task.sleep(for: .milliseconds(5)) }
        await supervisor.stopAll()
        #expect(log.contains("asked"))
        #expect(kill(process, 0) != 0 && errno == ESRCH)
    }

    @Test func childrenAreToldTheirSupervisorAndNoSettings() async throws {
        setenv("ACCRETE_SEED", "5", 1)
        setenv("ACCRETE_FUSE__LATENESS", "7", 1)
        defer { unsetenv("ACCRETE_SEED"); unsetenv("ACCRETE_FUSE__LATENESS") }
        let supervisor = Supervisor(settings(), logs: folder.path)
        await supervisor.start(shell("env | grep ^ACCRETE_ | sort", restarts: false))
        _ = await events(supervisor)
        #expect(log == "ACCRETE_LOGS=\(folder.path)\nACCRETE_SUPERVISOR=\(getpid())\n")
    }

    private var log: String { (try? String(contentsOfFile: folder.path("child.log"), encoding: .utf8)) ?? "" }

    /// Prepares in a file the record that a stage makes of the message it is processing; the script moves it into place.
    private func note(_ message: PassedOver, as name: String) throws {
        let newest = try NewestMessage(folder.path(name), passingOver: [])
        #expect(
            newest.note(
                .with { ($0.source, $0.epoch, $0.sequence) = (message.source, message.epoch ?? 0, message.sequence) }, on: message.topic))
    }

    @Test func deathsByMessagesAreNotCountedAndEachIsPassedOver() async throws {
        let messages = (1...12).map { PassedOver(topic: "sensor.text.evil/", source: "evil", epoch: 9, sequence: UInt64($0)) }
        for (index, message) in messages.enumerated() { try note(message, as: "at-\(index)") }
        let supervisor = Supervisor(settings { $0.maximumRestarts = 1 }, logs: folder.path)
        // Each start fails at the next message; after the last one the child exits by itself.
        await supervisor.start(
            shell(
                "cd \(folder.path); n=$(cat n 2>/dev/null || echo 0); [ $n = 12 ] && exit 78; echo $((n + 1)) > n; "
                    + "cp at-$n child.newest; kill -ILL $$"))
        let found = await events(supervisor)
        let died = found.compactMap { event -> PassedOver? in
            if case .failed(_, "signal 4, Illegal instruction", let by, _, 0.001) = event { by } else { nil }
        }
        #expect(died == messages)
        #expect(try PassedOver.read(of: "child", in: folder.path) == messages)
    }

    @Test func aDeathWithoutAMessageOrByTheSameOneAgainIsCounted() async throws {
        try note(.init(topic: "moment.a/", source: "fuse", epoch: 9, sequence: 4), as: "at")
        let supervisor = Supervisor(settings { $0.maximumRestarts = 2 }, logs: folder.path, isRepeatable: true)
        await supervisor.start(
            shell(
                "cd \(folder.path); n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) > n; [ $n = 1 ] || cp at child.newest; kill -SEGV $$")
        )
        let found = await events(supervisor).filter { if case .started = $0 { false } else { true } }
        let by = PassedOver(topic: "moment.a/", source: "fuse", epoch: nil, sequence: 4), how = "signal 11, Segmentation fault"
        #expect(
            found == [
                .failed("child", how: how, by: by, lastLogLine: "", nextIn: 0.001),
                .failed("child", how: how, by: nil, lastLogLine: "", nextIn: 0.001),
                .failed("child", how: how, by: nil, lastLogLine: "", nextIn: 0.002), .gaveUp("child", how: how, lastLogLine: ""),
            ])
    }

    @Test func aKillFromOutsideIsNoDeathByAMessage() async throws {
        try note(.init(topic: "moment.a/", source: "fuse", epoch: 9, sequence: 4), as: "at")
        let supervisor = Supervisor(settings { $0.maximumRestarts = 0 }, logs: folder.path)
        await supervisor.start(shell("cd \(folder.path); cp at child.newest; kill -KILL $$"))
        #expect(
            await events(supervisor) == [
                .started("child", process: 0, restarts: 0), .gaveUp("child", how: "signal 9, Killed", lastLogLine: ""),
            ])
    }

    @Test func aChildThatHangsIsKilledAndStartedAgain() async throws {
        let supervisor = Supervisor(settings { $0.stopGrace = 0.1 }, logs: folder.path)
        await supervisor.start(shell("kill -STOP $$"))
        var found: [Supervisor.Event] = []
        for await event in supervisor.events {
            found.append(event)
            guard case .started(_, let process, let restarts) = event else { continue }
            if restarts == 1 { break }
            // another process is left alone
            await supervisor.kill("child", process: process &+ 1, because: Hang(seconds: 5, isBusy: false))
            await supervisor.kill("child", process: process, because: Hang(seconds: 21, isBusy: false))
        }
        #expect(found.count == 3)
        #expect(
            found[1]
                == .failed(
                    "child", how: "sent no status for 21 s and used no processor time, and was killed", by: nil, lastLogLine: "",
                    nextIn: 0.001))
        await supervisor.stopAll()
    }
}
