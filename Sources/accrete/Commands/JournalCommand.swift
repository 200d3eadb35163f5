import ArgumentParser
import Foundation
import Ingest
import Journal
import Launch
import Moments
import Playback
import Schema

/// `accrete journal`: checks, repairs, lists and exports what ingest and fuse have written.
struct JournalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal", abstract: "Check, repair, list or export a journal of readings or of moments.",
        discussion: """
            DIR is the directory of one journal: `readings` or `moments` under the setting journal.directory.

            Examples:
              accrete journal check runs/live/journal/readings
              accrete journal dump runs/live/journal/readings --after 1000 --json
              accrete journal export runs/live/journal/readings recording
            """,
        subcommands: [Check.self, Repair.self, Dump.self, Export.self])

    /// The directory of a journal, and how it is shown.
    struct Options: ParsableArguments {
        @Argument(help: "The directory of the journal.") var directory: String
        @Flag(help: "Print JSON.") var json = false

        func open(writes: Bool = false) throws -> DirectoryStorage {
            do {
                return try DirectoryStorage(directory, writes: writes)
            } catch {
                throw StartFailure("\(error)")
            }
        }
    }

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read every record and compare its checksum; exits with 1 where something is damaged.")

        @OptionGroup var options: Options

        func run() throws {
            let storage = try options.open()
            let found = try JournalInspection(of: storage)
            if options.json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys]
                print(String(decoding: try encoder.encode(found), as: UTF8.self))
            } else {
                for segment in found.segments {
                    print("\(segment.name)  \(segment.bytes) bytes, \(segment.records) records, \(segment.first) to \(segment.last)")
                }
                for damage in found.damage { print("\(damage.segment): at \(damage.offset), \(damage.problem)") }
                print("\(found.records) records, \(found.damage.count) damaged places")
            }
            if !found.damage.isEmpty { throw ExitCode(1) }
        }
    }

    struct Repair: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write damaged segments anew with their good records; the damaged files are kept beside them.",
            discussion: "Nobody may be writing the journal.")

        @OptionGroup var options: Options

        func run() throws {
            let repaired = try JournalInspection.repair(try options.open(writes: true))
            if options.json { return print(String(decoding: try JSONEncoder().encode(repaired), as: UTF8.self)) }
            for damage in repaired { print("\(damage.segment): at \(damage.offset), \(damage.problem)") }
            print("\(repaired.count) damaged places repaired")
        }
    }

    struct Dump: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the records in order.", discussion: "Damaged places are listed on standard error.")

        @OptionGroup var options: Options
        @Option(help: "Begin with the record after this ordinal.") var after: UInt64 = 0
        @Option(help: "End after this many records.") var count = Int.max

        func run() throws {
            var reader = JournalReader(try options.open(), after: after), left = count
            while left > 0, let entry = try reader.next() {
                switch entry {
                case .damage(let damage):
                    FileHandle.standardError.write(Data("\(damage.segment): at \(damage.offset), \(damage.problem)\n".utf8))
                case .record(let record):
                    left -= 1
                    print(options.json ? try line(of: record) : text(of: record))
                }
            }
        }

        private func line(of record: JournalRecord) throws -> String {
            var content = "null", payload = 0
            if let event = try? MomentRecord.event(in: record.body) {
                content = try event.jsonString()
            } else if let read = try? JournalEntry.read(record.body) {
                (content, payload) = (try read.entry.jsonString(), read.payload.count)
            }
            return "{\"ordinal\": \(record.ordinal), \"type\": \(record.type), \"payload\": \(payload), \"content\": \(content)}"
        }

        private func text(of record: JournalRecord) -> String {
            let start = "\(record.ordinal)  \(record.body.count) bytes  "
            if let event = try? MomentRecord.event(in: record.body) { return start + event.summary }
            guard let entry = try? JournalEntry.read(record.body).entry else { return start + "type \(record.type)" }
            let ends = (entry.before + entry.after).map { "moment of \(printable($0.session)) ends" }
            return start + ([entry.summary] + ends).filter { !$0.isEmpty }.joined(separator: "; ")
        }
    }

    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a journal of readings as a session directory, which `accrete up --session` learns from.")

        @OptionGroup var options: Options
        @Argument(help: "The session directory to be made.") var output: String
        @Option(help: "Begin with the record after this ordinal.") var after: UInt64 = 0

        func run() throws {
            let storage = try options.open()
            var export = try SessionExport(to: output), reader = JournalReader(storage, after: after)
            while let entry = try reader.next() {
                switch entry {
                case .damage(let damage):
                    FileHandle.standardError.write(Data("\(damage.segment): at \(damage.offset), \(damage.problem)\n".utf8))
                case .record(let record): try export.add(record)
                }
            }
            let counts = ["readings": export.readings, "labels": export.labels, "cuts": export.cuts, "others": export.others]
            if options.json { return print(String(decoding: try JSONEncoder().encode(counts), as: UTF8.self)) }
            print(
                "\(export.readings) readings, \(export.labels) labels, \(export.cuts) cuts; \(export.others) records have no line in a session"
            )
        }
    }
}

extension JournalEntry {
    /// What the entry is of, in a few words.
    fileprivate var summary: String {
        switch input {
        case .reading(let reading): "\(printable(reading.modality)) of \(printable(reading.stamp.source)) in \(printable(reading.session))"
        case .cut(let cut): "cut of \(printable(cut.session))"
        case .feedback(let feedback): "feedback in \(printable(feedback.session))"
        case .refused(let refused): "refused: \(printable(refused.reason))"
        case .withheld(let withheld): "\(printable(withheld.modality.isEmpty ? "feedback" : withheld.modality)) that may not be stored"
        case nil: ""
        }
    }
}

extension MomentEvent {
    /// What the event is, in a few words.
    fileprivate var summary: String {
        switch event {
        case .moment(let moment): "moment \(moment.ordinal) of \(printable(moment.session)), up to \(moment.journal)"
        case .feedback(let feedback): "feedback in \(printable(feedback.session))"
        case .decision(let record): "decision on moment \(record.action.ordinal)"
        case .withheld(let place):
            place.ordinal > 0 ? "moment \(place.ordinal), which may not be stored" : "feedback that may not be stored"
        case .end: "end of the stream"
        case nil: ""
        }
    }
}
