import FilesTesting
import Foundation
import Pipeline
import Signals
import Testing
@testable import Configuration
@testable import Wiring

struct SettingsAgreementTests {
    private func problems(_ overrides: String...) -> [String] {
        do {
            _ = try GraphSettings.read(path: nil, environment: [:], overrides: overrides)
            return []
        } catch {
            return error.problems.map { $0.description.replacingOccurrences(of: "command line: ", with: "") }
        }
    }

    @Test func onePlaceForTwoStagesIsRefused() {
        #expect(
            problems("endpoints.fuse=[\"local:fuse\", \"tcp://127.0.0.1:7400\"]") == [
                "endpoints.fuse: tcp://127.0.0.1:7400 is endpoints.sensors' too"
            ])
        #expect(
            problems("endpoints.learn=[\"local:learn\", \"tcp://*:7400\"]", "security.keys=keys")
                == ["endpoints.learn: tcp://*:7400, one place with tcp://127.0.0.1:7400, is endpoints.sensors' too"])
        #expect(problems("endpoints.play=[\"local:orders\"]") == ["endpoints.play: local:orders is endpoints.orders' too"])
        #expect(problems("endpoints.ingest=[\"local:a\", \"local:a\"]") == ["endpoints.ingest: local:a is listed twice"])
        #expect(
            problems("endpoints.extract=[\"tcp://127.0.0.1:7500\"]")
                == ["endpoints.extract: tcp://127.0.0.1:7500 is for one extractor; {modality} makes them different"])
        #expect(problems("endpoints.extract=[\"tcp://127.0.0.1:7500\"]", "model.senses=[]") == [])
        #expect(
            problems("endpoints.learn=[\"local:learn\", \"tcp://127.0.0.1:*\"]", "endpoints.fuse=[\"local:fuse\", \"tcp://127.0.0.1:*\"]")
                == [])
    }

    @Test(arguments: [
        "tcp://*:7401", "tcp://0.0.0.0:7401", "tcp://[::]:7401", "tcp://192.168.1.5:7401", "tcp://lab.example:7401", "tcp://eth0:7401",
    ])
    func whatLeavesTheMachineNeedsKeys(endpoint: String) {
        let override = "endpoints.fuse=[\"local:fuse\", \"\(endpoint)\"]"
        #expect(
            problems(override) == [
                "endpoints.fuse: \(endpoint) leaves this machine, and security.keys names no directory of keys; make keys with 'accrete keys "
                    + "new NAME --role subscriber' and set security.keys, or use 127.0.0.1 or local:NAME"
            ])
        #expect(problems(override, "security.keys=keys") == [])
    }

    @Test func whatStaysOnTheMachineNeedsNone() {
        for endpoint in ["tcp://127.0.0.1:7499", "tcp://localhost:7499", "tcp://[::1]:7499", "ipc:///tmp/x/y"] {
            #expect(problems("endpoints.fuse=[\"local:fuse\", \"\(endpoint)\"]") == [])
        }
    }

    @Test func keysAreNamedPlainly() {
        #expect(problems("security.name=laptop") == ["security.name: names a key, but keys names no directory"])
        #expect(problems("security.keys=~/keys").count == 1)
        #expect(problems("security.keys=keys", "security.name=../graph").count == 1)
        #expect(problems("security.messageRate=0").count == 1 && problems("security.byteRate=-1").count == 1)
    }

    @Test func wordsAreTranscribedLiveOnly() {
        #expect(problems("signals.audio.words=whisper-tiny-en") == [])
        #expect(
            problems("signals.audio.words=whisper-tiny-en", "mode=lockstep").first?.hasPrefix("signals.audio.words: is for live mode only")
                == true)
    }

    @Test func nobodyCanConnectToEveryAddress() {
        #expect(
            problems("endpoints.fuse=[\"tcp://*:7401\"]", "security.keys=keys")
                == [
                    "endpoints.fuse: tcp://*:7401: nobody can connect to *, which stands for every address of this machine; "
                        + "subscribers use the first"
                ])
        #expect(problems("endpoints.learn=[\"tcp://127.0.0.1:*\"]").count == 1)
        #expect(problems("endpoints.fuse=[\"local:fuse\", \"tcp://*:7401\"]", "security.keys=keys") == [])
        #expect(problems("endpoints.sensors=[\"tcp://*:7400\"]", "security.keys=keys") == [])
        #expect(problems("endpoints.sensors=[\"tcp://127.0.0.1:*\"]").count == 1)
    }

    @Test(arguments: [
        "[]", "[7400]", "[\"local:\"]", "[\"local:..\"]", "[\"tcp://::1:7400\"]", "[\"tcp://127.0.0.1:0\"]", "[\"ipc://x\"]", "[\"\"]",
    ])
    func aMalformedEndpointIsRefused(list: String) {
        #expect(problems("endpoints.fuse=\(list)").count == 1)
    }

    @Test func everyAddressOfThisHostIsTaken() {
        for endpoint in ["tcp://[::1]:7411", "tcp://localhost:7411", "tcp://127.0.0.1:7411"] {
            #expect(problems("endpoints.fuse=[\"\(endpoint)\"]") == [], "\(endpoint)")
        }
    }

    @Test func anUnknownDetectorIsReportedWithTheKnownOnes() {
        #expect(
            problems("evaluate.domainDetector=FOO")
                == ["evaluate.domainDetector: there is no 'FOO'; there are ADWIN, PageHinkley, DDM, KSWIN, CUSUM, EveryN"])
    }

    @Test func aSenseWithoutAnExtractorIsRefused() {
        let senses = modalities.map(\.key).filter { $0 != "text" }.joined(separator: ", ")
        #expect(
            problems("model.senses=[{name: touch, rows: 1, columns: 4}]")
                == ["model.senses: nothing extracts 'touch'; there are \(senses) and, where fuse.sentence is set, sentence"])
        #expect(problems("model.senses=[]") == [])
        #expect(problems("model.senses=[{name: sentence, rows: 1, columns: 384}]").count == 1)
    }

    @Test func theShapesOfExtractorsAndModelAgree() {
        #expect(
            problems("signals.image.patch=4") == [
                "model.senses: image is 16 × 192, but signals.image (size 32, patch 4, channels 3) makes rows: 64, columns: 48"
            ])
        #expect(problems("signals.image.patch=5").allSatisfy { $0.hasPrefix("signals.image.patch: is 5, which does not divide") })
        #expect(problems("signals.audio.bands=40") == ["model.senses: audio has 32 columns, but signals.audio.bands makes 40"])
        #expect(problems("signals.vector.length=6") == ["model.senses: vector has 16 columns, but signals.vector.length makes 6"])
        #expect(problems("model.text.vocabulary=100") == ["model.text.vocabulary: is 100, but bytes and the end of text are 257"])
        #expect(problems("signals.image.patch=4", "model.senses=[{name: image, rows: 64, columns: 48}]") == [])
    }

    @Test func anUnknownSignalIsRefused() {
        #expect(
            problems("learn.triggers=[{name: a, signal: los}]").first?.hasPrefix(
                "learn.triggers: rule 'a' uses the signal 'los', which does not exist") == true)
        #expect(problems("learn.triggers=[{name: a, signal: shift.image}]") == [])
        #expect(problems("learn.triggers=[{name: a, signal: shift.image}]", "model.senses=[]").count == 1)
        #expect(problems("learn.triggers=[{name: a, action: switch_strategy, target: none}]").count == 1)
        #expect(
            problems("learn.triggers=[{name: a, action: step, amount: 1e300}]") == [
                "learn.triggers: setting 'amount': 1e+300 is not in 0…10000"
            ])
        #expect(
            problems("learn.triggers=[{name: a, action: jump}]").first?.hasPrefix(
                "learn.triggers[0].action: 'jump' is none of nothing, step") == true)
    }

    @Test func aPathWithATildeIsRefused() {
        #expect(problems("learn.directory=~") == ["learn.directory wants a text, not null; an empty text is \"\""])
        for key in ["learn.directory", "endpoints.runtime", "signals.text.tokenizer", "fuse.sentence"] {
            #expect(
                problems("\(key)=~/runs").contains("\(key): '~/runs' begins with ~, which nothing expands; write the whole path"), "\(key)")
        }
        #expect(problems("learn.directory=\"/tmp/a\\0b\"") == ["learn.directory: the path has control characters"])
    }

    @Test func contradictingSettingsAreRefused() {
        #expect(problems("simulate.world.session=../../x").count == 1)
        #expect(problems("simulate.world.momentsPerSession=5", "simulate.world.session=\(String(repeating: "a", count: 60))").count == 1)
        #expect(problems("learner.trunk=last:3") == ["learner.trunk: 'last:3' are more blocks than model.layers has: 2"])
        #expect(problems("evaluate.holdOut=1").count == 1)
        #expect(problems("mode=lockstep", "fuse.maximumPending=8").count == 1)
        #expect(problems("learn.influenceEvery=4", "learner.strategy=der++, heads").count == 1)
        #expect(problems("learn.influenceEvery=4", "learner.strategy=er, heads").isEmpty)
        #expect(problems("decide.policy=bandit", "decide.choices=4", "model.senses=[]").count == 1)
        #expect(problems("decide.policy=bandit", "decide.choices=4", "decide.inputs=17").count == 1)
        #expect(problems("fuse.alignment=[{modality: image}, {modality: image}]") == ["fuse.alignment: two rules are for 'image'"])
    }

    @Test(arguments: [
        "model.layers=1000000", "model.tokens=100000", "model.width=1048576", "model.classes=1048576", "model.joint=1048576",
        "model.text.length=1048576",
        "model.text.vocabulary=1048576", "evaluate.domainSample=100000", "fuse.remembered=1000000",
    ])
    func theMemoryOfAModelIsToldAndBounded(setting: String) {
        let found = problems(setting, "supervise.memoryLimit=1000000000")
        #expect(
            found.count == 1 && found[0].hasPrefix("supervise.memoryLimit: the graph takes about ")
                && found[0].contains("and supervise.memoryLimit allows 1000 MB"), "\(found)")
    }

    @Test func anUpdateTooLargeForAMessageIsAProblemOfTheSettings() {
        let found = problems("model.width=1024", "messaging.frameBytes=1048576", "supervise.memoryLimit=100000000000")
        #expect(
            found.first?.hasPrefix("messaging.frameBytes: 1048576 lets updates of 4194304 bytes through, and this model's have ") == true,
            "\(found)")
    }

    @Test func missingFilesAreReported() throws {
        let folder = Folder()
        try "x".write(toFile: folder.path("file"), atomically: true, encoding: .utf8)
        func lacking(_ override: String) throws -> [String] {
            try GraphSettings.read(path: nil, environment: [:], overrides: [override]).lacking().map(\.description)
        }
        #expect(try lacking("learn.directory=\(folder.path("a/b/c"))") == [])
        #expect(
            try lacking("learn.directory=\(folder.path("file"))") == [
                "command line: learn.directory: \(folder.path("file")) is no directory"
            ])
        #expect(
            try lacking("learn.directory=\(folder.path("file/x"))") == [
                "command line: learn.directory: \(folder.path("file")) is no directory"
            ])
        #expect(try lacking("learn.directory=/proc/x").count == 1)
        #expect(
            try lacking("signals.text.tokenizer=/nonexistent").first?.hasPrefix("command line: signals.text.tokenizer: /nonexistent")
                == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("")) == ["file"])
    }

    @Test func aConflictIsReportedWhereOneOfItsSettingsWasSet() throws {
        let folder = Folder(), path = folder.path("c.yaml")
        try "seed: 2\nsignals:\n  image:\n    patch: 4\n".write(toFile: path, atomically: true, encoding: .utf8)
        let error = #expect(throws: ConfigurationError.self) { try GraphSettings.read(path: path, environment: [:], overrides: []) }
        #expect(error?.problems.first?.origin == .file(path, line: 4))
    }

    @Test func anySensesAndNoneAreAwaitedInLockstep() {
        var settings = GraphSettings()
        settings.model.senses = []
        #expect(settings.ingestAwaits == ["sample.text/": 1, "feedback.": 1])
        #expect(settings.extractAwaits("image").isEmpty && settings.extractAwaits("text") == ["feature.text/": 1])
        settings.model.senses = [.image]
        #expect(settings.ingestAwaits == ["sample.image/": 1, "sample.text/": 1, "feedback.": 1])
    }
}
