import Foundation
import Messaging
import Safetensors
import Schema
import Statistics
import Testing
@testable import Updates

/// A model of a large tensor, a small one and one that stays.
private let shapes: [ModelState.Shape] = [.init("a.weight", [40, 50]), .init("b.bias", [7]), .init("c.frozen", [300])]
private let count = 2_307

private func numbers(_ seed: UInt64, scale: Float = 1) -> [Float] {
    var random = RandomSource(seed: seed)
    return (0..<count).map { _ in scale * Float(random.normal()) }
}

private func state(_ values: [Float]) -> ModelState { values.withUnsafeBufferPointer { ModelState(shapes, $0) } }

private func flat(_ state: ModelState) -> [Float] { state.tensors.flatMap(\.values) }

private func encode(_ state: ModelState, to values: [Float], _ coding: UpdateCoding) throws -> ParameterDelta.Encoded {
    try values.withUnsafeBufferPointer { try ParameterDelta.encode(state, to: $0, coding) }
}

private func bytes(_ payload: Payload) -> [UInt8] { payload.withUnsafeBytes { Array($0) } }

private func apply(_ delta: ParameterDelta.Encoded, to state: ModelState) throws(Refusal) -> ModelState {
    try ParameterDelta.apply(bytes(delta.payload), plainBytes: UInt64(delta.plainBytes), to: state, title: "version 2")
}

/// A delta of these tensors.
private func delta(_ contents: [TensorContent]) -> (payload: [UInt8], plainBytes: UInt64) {
    let plain = TensorArchive.encode(contents)
    return (Zstandard.compress(plain), UInt64(plain.count))
}

private func reason(_ delta: (payload: [UInt8], plainBytes: UInt64), to state: ModelState) -> Reason? {
    do throws(Refusal) {
        _ = try ParameterDelta.apply(delta.payload, plainBytes: delta.plainBytes, to: state, title: "version 2")
        return nil
    } catch {
        return error.reason
    }
}

struct ParameterDeltaTests {
    @Test(arguments: [UpdateCoding.exact, .float16, .int8])
    func whoAppliesADeltaHasThePublishersNumbersToTheBit(_ coding: UpdateCoding) throws {
        var before = numbers(1), published = state(before)
        let change = numbers(2, scale: 1e-3)
        for index in 0..<2_007 { before[index] += change[index] }
        let delta = try encode(published, to: before, coding)
        let received = try apply(delta, to: state(numbers(1)))
        #expect(received.digest == delta.state.digest && flat(received).map(\.bitPattern) == flat(delta.state).map(\.bitPattern))
        if coding == .exact { #expect(flat(received).map(\.bitPattern) == before.map(\.bitPattern)) }
        published = delta.state
        // Nothing has changed: nothing is written.
        let empty = try encode(published, to: flat(published), coding)
        #expect(empty.payload.count < 64 && empty.state.digest == published.digest)
    }

    @Test func whatACodingLeavesOutIsPartOfTheNextDelta() throws {
        // 100 steps of a random walk; the errors of the deltas do not add up.
        for coding in [UpdateCoding.float16, .int8] {
            var target = numbers(1), published = state(target), first: Float = 0, last: Float = 0
            for step in 0..<100 {
                let change = numbers(UInt64(10 + step), scale: 1e-3)
                for index in target.indices { target[index] += change[index] }
                published = try encode(published, to: target, coding).state
                let error = zip(target, flat(published)).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
                if step == 0 { first = error }
                last = error
            }
            #expect(first > 0 && last < 4 * first, "\(coding): \(first), then \(last)")
        }
    }

    @Test func sizesFallWithWhatIsLeftOut() throws {
        let before = numbers(1), published = state(before), whole = published.payload.count
        let change = numbers(2, scale: 1e-3)
        let after = zip(before, change).map { $0 + $1 }
        let sizes = try [UpdateCoding.exact, .float16, .int8].map { try encode(published, to: after, $0).payload.count }
        #expect(sizes[0] < whole && sizes[1] < whole * 55 / 100 && sizes[2] < whole * 30 / 100, "\(sizes) of \(whole)")
        // Twenty numbers of two thousand.
        var few = before
        for index in stride(from: 0, to: 2_000, by: 100) { few[index] += 1 }
        for coding in [UpdateCoding.exact, .int8] {
            let delta = try encode(published, to: few, coding)
            #expect(delta.payload.count < 400)
            #expect(flat(try apply(delta, to: published)) == few)
        }
    }

    @Test func numbersAtTheLimitsAreWrittenExactly() throws {
        var before = numbers(1), after = before
        for index in 0..<2_000 { after[index] += 0.5 }
        (before[0], after[0]) = (-.greatestFiniteMagnitude, .greatestFiniteMagnitude)
        (before[1], after[1]) = (0, .leastNonzeroMagnitude)
        (before[2], after[2]) = (0, -0.0)
        for coding in [UpdateCoding.exact, .float16, .int8] {
            let delta = try encode(state(before), to: after, coding)
            let received = flat(try apply(delta, to: state(before)))
            #expect(received.allSatisfy(\.isFinite) && received.map(\.bitPattern) == flat(delta.state).map(\.bitPattern))
        }
        after[5] = .nan
        #expect(throws: Refusal(.nonFinite, "a.weight has a number that is not finite")) { try encode(state(before), to: after, .int8) }
    }

    @Test func aSizeThatLiesIsRefused() throws {
        let published = state(numbers(1)), good = delta([TensorContent(name: "b.bias#bits", bytes: [UInt8](repeating: 0, count: 28))])
        #expect(reason(good, to: published) == nil)
        #expect(reason((good.payload, good.plainBytes + 1), to: published) == .undecodable)
        #expect(reason((good.payload, good.plainBytes - 1), to: published) == .undecodable)
        #expect(reason((good.payload, 1 << 40), to: published) == .tooLarge)
        #expect(reason((good.payload, .max), to: published) == .tooLarge)
        #expect(reason((Array(good.payload.dropLast()), good.plainBytes), to: published) == .undecodable)
        // A bomb: a thousand times as many bytes as it says.
        let bomb = Zstandard.compress([UInt8](repeating: 0, count: 1 << 22))
        #expect(bomb.count < 1_000 && reason((bomb, 4_096), to: published) == .undecodable)
        #expect(reason(([], 0), to: published) == .undecodable)
    }

    @Test func whatIsNotFiniteByItsCodingIsRefused() throws {
        let published = state(numbers(1))
        let codes = [Int8](repeating: 1, count: 7), halves = [Float16](repeating: 1, count: 7)
        func coded(_ scale: Float) -> [TensorContent] {
            [
                TensorContent(name: "b.bias#int8", shape: [7], signedBytes: codes),
                TensorContent(name: "b.bias#scale", shape: [1], floats: [scale]),
            ]
        }
        #expect(reason(delta(coded(0.5)), to: published) == nil)
        #expect(reason(delta(coded(.nan)), to: published) == .nonFinite)
        #expect(reason(delta(coded(.infinity)), to: published) == .nonFinite)
        func half(_ value: Float16, scale: Float = 1) -> [TensorContent] {
            [
                TensorContent(name: "b.bias#float16", shape: [7], halves: [value] + halves.dropLast()),
                TensorContent(name: "b.bias#scale", shape: [1], floats: [scale]),
            ]
        }
        #expect(reason(delta(half(2)), to: published) == nil)
        #expect(reason(delta(half(.nan)), to: published) == .nonFinite)
        #expect(reason(delta(half(.infinity)), to: published) == .nonFinite)
        #expect(reason(delta(half(1_000, scale: .greatestFiniteMagnitude)), to: published) == .nonFinite)
        // The bits of a number XOR those of NaN.
        let bits = published.tensors[1].values.map { $0.bitPattern ^ Float.nan.bitPattern }
        let planes = (0..<4).flatMap { plane in bits.map { UInt8(truncatingIfNeeded: $0 >> (8 * plane)) } }
        #expect(reason(delta([TensorContent(name: "b.bias#bits", bytes: planes)]), to: published) == .nonFinite)
    }

    @Test func partsThatDoNotFitAreRefused() throws {
        let published = state(numbers(1))
        func gaps(_ gaps: [UInt32], _ numbers: Int) -> [TensorContent] {
            [
                TensorContent(name: "b.bias#gaps", shape: [gaps.count], words: gaps),
                TensorContent(name: "b.bias#bits", bytes: [UInt8](repeating: 0, count: 4 * numbers)),
            ]
        }
        #expect(reason(delta(gaps([0, 5], 2)), to: published) == nil)
        #expect(reason(delta(gaps([0, 6], 2)), to: published) == .wrongShape)  // an index out of range
        #expect(reason(delta(gaps([.max, .max], 2)), to: published) == .wrongShape)
        #expect(reason(delta(gaps([0, 0, 0, 0, 0, 0, 0, 0], 8)), to: published) == .wrongShape)
        #expect(reason(delta(gaps([0], 2)), to: published) == .wrongShape)
        #expect(reason(delta([TensorContent(name: "b.bias#gaps", shape: [1], words: [0])]), to: published) == .wrongShape)
        #expect(reason(delta([TensorContent(name: "b.bias#bits", bytes: [0, 0, 0, 0])]), to: published) == .wrongShape)
        #expect(reason(delta([TensorContent(name: "d#bits", bytes: [0, 0, 0, 0])]), to: published) == .wrongShape)
        #expect(reason(delta([TensorContent(name: "b.bias", bytes: [0])]), to: published) == .wrongShape)
        #expect(reason(delta([TensorContent(name: "b.bias#more", bytes: [0])]), to: published) == .wrongShape)
        #expect(
            reason(delta([TensorContent(name: "b.bias#int8", shape: [7], signedBytes: [1, 2, 3, 4, 5, 6, 7])]), to: published)
                == .wrongShape)
        let noArchive = [UInt8](repeating: 1, count: 64)
        #expect(reason((Zstandard.compress(noArchive), 64), to: published) == .undecodable)
    }

    @Test func statesShareWhatIsEqualAndTheirDigestIsOfAllTensors() throws {
        let first = state(numbers(1))
        var changed = numbers(1)
        changed[2_001] += 1
        let second = try encode(first, to: changed, .exact).state
        #expect(second.digest != first.digest && second.digest == state(changed).digest)
        first.tensors[0].values.withUnsafeBufferPointer { a in
            second.tensors[0].values.withUnsafeBufferPointer { b in #expect(a.baseAddress == b.baseAddress) }
        }
        // The digest is of lines that sha256sum would write, ordered by name.
        let lines = first.tensors.map { tensor in tensor.values.withUnsafeBytes { SHA256.hex(of: $0) } + "  \(tensor.shape.name)\n" }
        #expect(first.digest == Data(Array(lines.joined().utf8).withUnsafeBytes { sha256(of: $0) }))
    }
}
