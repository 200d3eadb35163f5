import Files
import Foundation
import Learning
import Safetensors
import Schema

/// The trigger ledger as a file of a checkpoint directory: one JSON object per line, newest last.
public enum LedgerFile {
    /// The file's name.
    public static let name = "ledger.jsonl"

    /// The text of the file.
    public static func text(of entries: [TriggerEntry]) -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // a finite entry is encoded
        return entries.map(\.finite).compactMap { try? encoder.encode($0) }.map { String(decoding: $0, as: UTF8.self) + "\n" }.joined()
    }

    /// The entries of a ledger file. Lines that cannot be read are skipped.
    /// - Throws: `FileDamage` where the file does not match the list of digests beside it; `FileError`.
    public static func read(_ path: String) throws -> [TriggerEntry] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        _ = try FileDigests.checked(URL(filePath: path).deletingLastPathComponent().path) { $0 == name }
        return try readFile(path, atMost: largest).split(separator: UInt8(ascii: "\n")).compactMap {
            try? decoder.decode(TriggerEntry.self, from: Data($0))
        }
    }

    /// The greatest size of a ledger file, in bytes.
    private static let largest = 64 << 20
}

extension TriggerEntry {
    /// The same without numbers that are not finite, which JSON does not have.
    fileprivate var finite: TriggerEntry {
        var entry = self
        for number in [\.signal, \.cost, \.before, \.after] as [WritableKeyPath<TriggerEntry, Double?>]
        where entry[keyPath: number]?.isFinite == false {
            entry[keyPath: number] = nil
        }
        return entry
    }
}

extension TriggerEntry {
    /// The entry as a message.
    /// - Parameter ordinal: of the newest moment.
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
