import Foundation
import Messaging
import PipelineTesting
import Schema
import SwiftProtobuf
import Testing

/// The topics, bounds and frames in `schemas/README.md` are those of the code.
struct ContractTests {
    private static let schemas = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "schemas")

    private static func contract() throws -> String { try String(contentsOf: schemas.appending(path: "README.md"), encoding: .utf8) }

    /// Rows of the table that begins with a header.
    private func rows(below header: String) throws -> [String] {
        let lines = try Self.contract().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let start = try #require(lines.firstIndex { $0.hasPrefix(header) }, "no table begins with \(header)")
        return Array(lines[(start + 2)...].prefix { $0.hasPrefix("|") })
    }

    @Test func everyTopicHasItsRowAndItsOperation() throws {
        let rows = try rows(below: "| Topic | Header |").map { row in
            row.split(separator: "|").prefix(2).map { $0.filter { $0 != " " && $0 != "`" } }
        }
        let expected = Topics.all.map { [$0.pattern, String(Self.name(of: $0).dropFirst("accrete.v1.".count))] }
        #expect(Set(rows) == Set(expected))
        #expect(rows.count == expected.count)
        let interface = try String(contentsOf: Self.schemas.appending(path: "asyncapi.yaml"), encoding: .utf8)
        for family in Topics.all {
            let address = family.pattern.replacingOccurrences(of: "<", with: "{").replacingOccurrences(of: ">", with: "}")
            #expect(interface.contains("    address: \(address)\n"), "\(address)")
        }
    }

    private static func name(of family: some AnyTopicFamily) -> String { type(of: family).Message.protoMessageName }

    // MARK: Bounds

    @Test func theBoundsOfAMessageAreTheDefaults() throws {
        let limits = Limits()
        func binary(_ bytes: Int) -> String {
            bytes % (1 << 20) == 0 ? "\(bytes >> 20) MiB" : bytes % (1 << 10) == 0 ? "\(bytes >> 10) KiB" : "\(bytes) bytes"
        }
        let expected: [String: String] = [
            "parts": "\(limits.parts)", "entries": "\(limits.entries)", "frameBytes": binary(limits.frameBytes),
            "headerBytes": binary(limits.headerBytes), "nameBytes": binary(limits.nameBytes), "textBytes": binary(limits.textBytes),
            "frameBytes × cutFactor": binary(limits.frameBytes * limits.cutFactor),
            "subscriptionBytes": binary(limits.subscriptionBytes), "sendBytes": binary(limits.sendBytes),
        ]
        let documented = try rows(below: "| Bound | Default |").map { row in
            row.split(separator: "|").prefix(2).map { $0.filter { $0 != "`" }.trimmingCharacters(in: .whitespaces) }
        }
        for row in documented { #expect(expected[row[0]] == row[1]) }
        #expect(Set(documented.map { $0[0] }) == Set(expected.keys))
    }

    /// A field of a message that has a bound.
    private struct Field {
        let name: String
        let number: Int
        let isText, isList, isMap: Bool
    }

    /// Every message of the schema and its strings, lists of strings or messages, and maps, as its file declares them.
    private func declared() throws -> [(message: String, fields: [Field])] {
        let folder = Self.schemas.appending(path: "accrete/v1")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".proto") }.sorted()
        var messages: [(message: String, fields: [Field])] = []
        for file in files {
            for line in try String(contentsOf: folder.appending(path: file), encoding: .utf8).split(separator: "\n") {
                if let begun = line.firstMatch(of: /^message (\w+) \{/) {
                    messages.append((String(begun.1), []))
                } else if let field = line.firstMatch(of: /^ +(repeated |optional )?(map<[^>]+>|[A-Za-z]\w*) (\w+) = (\d+);/) {
                    let kind = String(field.2), isMap = kind.hasPrefix("map<")
                    let isText = kind == "string" || kind.hasPrefix("map<string"), isMessage = kind.first?.isUppercase == true
                    let isList = isMap || field.1 == "repeated " && (isText || isMessage || kind == "bytes")
                    guard isText || isList, let number = Int(field.4) else { continue }
                    messages[messages.count - 1].fields.append(
                        .init(name: String(field.3), number: number, isText: isText, isList: isList, isMap: isMap))
                }
            }
        }
        return messages
    }

    /// Messages within messages; those of topics are known to `Topics`.
    private static let parts: [any SwiftProtobuf.Message.Type] = [
        Stamp.self, Boundary.self, Frame.self, Sense.self, Moment.self, DecisionRecord.self, StreamEnd.self, Contributions.self,
        AttentionMap.self, Opinion.self, TriggerLine.self, RememberedCorrection.self, AnswerRequest.self, Tally.self, Scores.self,
        DomainRow.self, Quantiles.self, Envelope.self, CoordinateFrame.self, CameraIntrinsics.self, RefusedMessage.self,
        JournalEntry.self, JournalPlace.self, StreamPlace.self, Decided.self, GivenUp.self, UpdatePosition.self, UpdatePiece.self,
        UpdateReport.self, Passport.self, PassportPart.self, Evidence.self, Influence.self, PartContributions.self,
        Certificate.self, SignedPassport.self, Withheld.self,
    ]

    private static func messageType(of family: some AnyTopicFamily) -> any SwiftProtobuf.Message.Type { type(of: family).Message.self }

    /// The problem that the bounds find in a field with texts of so many bytes: in a list or map that many times, with different keys.
    private func problem(
        _ type: (some SwiftProtobuf.Message).Type, _ field: Field, bytes: Int, count: Int = 1
    ) throws -> String? {
        let bounds = HeaderBounds(nameBytes: 8, textBytes: 16, entries: 4)
        var encoded: [UInt8] = []
        for index in 0..<count {
            let text = field.isText ? [UInt8](repeating: 0x61 + UInt8(index), count: bytes) : []
            // In a map an entry is a message whose field 1 is the key.
            let content = field.isMap ? [0x0A, UInt8(text.count)] + text : text
            encoded += Self.varint(field.number << 3 | 2) + [UInt8(content.count)] + content
        }
        return bounds.problem(in: try type.init(serializedBytes: encoded))
    }

    private static func varint(_ number: Int) -> [UInt8] {
        number < 128 ? [UInt8(number)] : [UInt8(number & 127 | 128)] + varint(number >> 7)
    }

    @Test func everyStringListAndMapHasTheBoundThatTheTableSays() throws {
        let types = Topics.all.map { Self.messageType(of: $0) } + Self.parts
        let known = Dictionary(types.map { (String($0.protoMessageName.dropFirst("accrete.v1.".count)), $0) }) { $1 }
        var expected: [String] = []
        for (message, fields) in try declared() {
            let type = try #require(known[message], "\(message) is in no list of this test")
            var names: [String] = [], texts: [String] = [], lists: [String] = []
            for field in fields {
                if field.isText {
                    #expect(try problem(type, field, bytes: 8) == nil, "\(message).\(field.name)")
                    let isName = try problem(type, field, bytes: 9) != nil
                    if isName { names.append("`\(field.name)`") } else { texts.append("`\(field.name)`") }
                    #expect(try problem(type, field, bytes: 17) != nil, "\(message).\(field.name) has no bound")
                }
                guard field.isList else { continue }
                lists.append("`\(field.name)`")
                #expect(try problem(type, field, bytes: 1, count: 4) == nil, "\(message).\(field.name)")
                #expect(try problem(type, field, bytes: 1, count: 5) != nil, "\(message).\(field.name) may have any number of entries")
            }
            guard !fields.isEmpty else { continue }
            let cells = [names, texts, lists].map { $0.isEmpty ? " " : " \($0.joined(separator: ", ")) " }
            expected.append("| `\(message)` |" + cells.joined(separator: "|") + "|")
        }
        let table = try rows(below: "| Message | Names |")
        #expect(expected.count > 25 && table == expected, "\(expected.joined(separator: "\n"))")
    }

    // MARK: A worked message

    /// The frames of the reading that section 2 shows, by this encoder.
    static func workedMessage() throws -> [[UInt8]] {
        var reading = SensorReading()
        reading.stamp = Stamp(from: "imu", sequence: 1, epoch: 7)
        (reading.stamp.time, reading.stamp.clock) = (1_250_000_000, "demo")
        (reading.session, reading.modality, reading.format, reading.ends) = ("kitchen", "vector", "vector/f32le", .explicit)
        let payload = [0.5 as Float, -1].flatMap { number in withUnsafeBytes(of: number.bitPattern.littleEndian) { [UInt8]($0) } }
        return [Array(try Topics.sensor("vector", "imu").name.utf8), try reading.serializedBytes(), payload]
    }

    @Test func theWorkedMessageIsWhatTheEncoderMakes() throws {
        let text = try Self.contract()
        let block = try #require(text.firstMatch(of: /```hex\n((?:.|\n)*?)```/)?.1)
        var frames: [[UInt8]] = []
        for line in block.split(separator: "\n") {
            if line.hasPrefix("#") {
                frames.append([])
            } else {
                let bytes = line.prefix { $0 != ";" }.split(separator: " ").map { UInt8($0, radix: 16) }
                #expect(!bytes.contains(nil), "\(line)")
                frames[frames.count - 1] += bytes.compactMap(\.self)
            }
        }
        #expect(try frames == Self.workedMessage())
    }
}
