import Foundation
import Statistics
import Testing
@testable import Signals

func bytes(_ base64: String) -> [UInt8] {
    guard let data = Data(base64Encoded: base64) else { preconditionFailure("a fixture is not base64") }
    return Array(data)
}

/// The refusal that `body` throws; nil if it throws none.
func refusal<Value>(_ body: () throws -> Value) -> SignalRefusal? {
    do {
        _ = try body()
        return nil
    } catch let refusal as SignalRefusal {
        return refusal
    } catch {
        Issue.record("not a refusal: \(error)")
        return nil
    }
}

/// Reads `rounds` damaged copies of `original`: bytes changed, cut out, repeated or inserted by a seeded source.
func survivors(
    of original: [UInt8], rounds: Int, seed: UInt64,
    reading: ([UInt8]) throws -> Features
) -> (read: Int, refused: Int, finite: Bool) {
    var source = RandomSource(seed: seed)
    var outcome = (read: 0, refused: 0, finite: true)
    for _ in 0..<rounds {
        var damaged = original
        for _ in 0...source.uniform(below: 4) where !damaged.isEmpty {
            let place = source.uniform(below: damaged.count)
            switch source.uniform(below: 5) {
            case 0: damaged[place] ^= 1 << UInt8(source.uniform(below: 8))
            case 1: damaged[place] = [0, 0xFF, 0x7F, 0x80][source.uniform(below: 4)]
            case 2: damaged.removeSubrange(place..<min(damaged.count, place + 1 + source.uniform(below: 40)))
            case 3: damaged.insert(contentsOf: damaged[place..<min(damaged.count, place + 8)], at: place)
            default: damaged[min(place, 63, damaged.count - 1)] = UInt8(source.uniform(below: 256))  // headers are at the start
            }
        }
        do {
            let features = try reading(damaged)
            outcome.read += 1
            outcome.finite = outcome.finite && features.values.allSatisfy(\.isFinite)
        } catch {
            outcome.refused += 1
        }
    }
    return outcome
}
