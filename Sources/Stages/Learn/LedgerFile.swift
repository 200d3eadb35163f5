import Foundation
import Learning
import Schema

/// The ledger as it stands in a checkpoint's directory: one JSON object a line, newest last.
public enum LedgerFile {
    public static let name = "ledger.jsonl"

    public static func text(of entries: [TriggerEntry]) -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return entries.compactMap { try? encoder.encode($0) }.map { String(decoding: $0, as: UTF8.self) + "\n" }.joined()  // an entry holds finite numbers only
    }

    /// The ledger's lines. One that cannot be read costs itself only.
    public static func read(_ path: String) throws -> [TriggerEntry] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").compactMap { try? decoder.decode(TriggerEntry.self, from: Data($0.utf8)) }
    }
}

extension TriggerEntry {
    /// As it goes over the wire.
    func message(at ordinal: UInt64) -> TriggerLine {
        .with {
            $0.serial = UInt64(clamping: serial)
            $0.rule = rule
            $0.action = action.rawValue
            $0.verdict = verdict.rawValue
            $0.time = time
            if let signal { $0.signal = signal }
            $0.evaluations = UInt64(clamping: evaluations)
            if let cost { $0.cost = cost }
            if let before { $0.before = before }
            if let after { $0.after = after }
            $0.note = note ?? ""
            $0.ordinal = ordinal
        }
    }
}
