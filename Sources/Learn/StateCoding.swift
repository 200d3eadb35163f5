import Foundation
import StrictJSON

/// Encodes and decodes the JSON part of a checkpoint. What is read is treated as untrusted: no number in it may make later arithmetic
/// overflow.
enum StateCoding {
    /// Numbers that are not finite are written as strings, so that one of them does not prevent the state from being saved.
    static func encode(_ state: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: infinite, negativeInfinity: "-" + infinite, nan: undefined)
        return Array(try encoder.encode(state))
    }

    /// - Parameter path: of the file that the text is from, for errors.
    /// - Throws: `CheckpointMismatch` with a sentence.
    static func decode<State: Decodable>(_: State.Type, from text: Data, of path: String) throws(CheckpointMismatch) -> State {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: infinite, negativeInfinity: "-" + infinite, nan: undefined)
        do {
            if let key = try overflowing(JSON(parsing: text), "state") { throw CheckpointMismatch("\(path): \(key) is beyond all bounds") }
            return try decoder.decode(State.self, from: text)
        } catch let mismatch as CheckpointMismatch {
            throw mismatch
        } catch let error as DecodingError {
            throw CheckpointMismatch("\(path): \(error.sentence)")
        } catch {
            throw CheckpointMismatch("\(path): the state is not JSON, \(error)")
        }
    }

    private static let infinite = "inf", undefined = "nan"

    /// The greatest number accepted: counters grow by one, and two of them may be added.
    static let largest = 1 << 61
    /// Keys whose numbers are not limited: states of random sources, capacities and times, which are never added to unchecked.
    private static let unbounded: Set<String> = ["a", "b", "c", "d", "capacity", "byteCapacity", "time", "lastFired"]

    private static func overflowing(_ value: JSON, _ key: String) -> String? {
        switch value {
        case .integer(let number): return (-largest...largest).contains(number) ? nil : key
        case .array(let elements):
            for element in elements { if let found = overflowing(element, key) { return found } }
        case .object(let members):
            for (name, member) in members where !unbounded.contains(name) {
                if let found = overflowing(member, "\(key).\(name)") { return found }
            }
        default: break
        }
        return nil
    }
}

extension DecodingError {
    /// What is wrong, and where, in one sentence.
    var sentence: String {
        func place(_ path: [any CodingKey]) -> String { path.isEmpty ? "the state" : path.map(\.stringValue).joined(separator: ".") }
        switch self {
        case .keyNotFound(let key, let context): return "\(place(context.codingPath + [key])) is missing"
        case .valueNotFound(_, let context): return "\(place(context.codingPath)) is null"
        case .typeMismatch(let type, let context): return "\(place(context.codingPath)) is no \(type)"
        case .dataCorrupted(let context): return "\(place(context.codingPath)): \(context.debugDescription)"
        @unknown default: return "the state cannot be read"
        }
    }
}
