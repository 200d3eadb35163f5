import Foundation
import Messaging
import Safetensors
import Statistics

/// What leads from one state of a model to another: a safetensors file, compressed with Zstandard.
///
/// A tensor that has not changed is left out. Of one with the name N the file has `N#gaps` (uint32), where at most half of its numbers
/// changed: how many numbers lie between each that changed and the one before. And for the numbers that changed, or all, in order, either
/// `N#bits` (uint8, 4 × n), the old bits XOR the new, lowest bytes first and each byte's place in a row of its own;
/// or `N#float16` with one `N#scale`; or `N#int8` with an `N#scale` (float32) for each 256 of them. The last two are differences: the new
/// number is old + float32(coded) · scale, where the product and the sum are rounded to float32.
///
/// Publisher and receivers apply the same file to the same numbers, so they agree to the bit, whatever the coding leaves out.
public enum ParameterDelta {
    /// A delta, and the state to which it leads.
    public struct Encoded: Sendable {
        /// Compressed.
        public let payload: Payload
        public let plainBytes: Int
        public let state: ModelState
    }

    /// Numbers that share a scale in 8 bits.
    static let block = 256

    /// Fewer changed numbers of a tensor than this are always written exactly.
    private static let fewest = 64

    /// The greatest float16 that differences are scaled to, a power of two.
    private static let halfRange: Float = 16_384

    private enum Part: String { case gaps, bits, float16, int8, scale }

    // MARK: Encoding

    /// The delta from a state to other numbers of the same tensors.
    /// - Parameters:
    ///   - values: one tensor after the other.
    ///   - coding: not `whole`.
    /// - Throws: `nonFinite`, where a number is not finite.
    public static func encode(
        _ state: ModelState, to values: UnsafeBufferPointer<Float>, _ coding: UpdateCoding
    ) throws(Refusal) -> Encoded {
        var contents: [TensorContent] = [], changed: [Int: [Float]] = [:], start = 0
        for (place, tensor) in state.tensors.enumerated() {
            let target = UnsafeBufferPointer(rebasing: values[start..<start + tensor.values.count])
            start += tensor.values.count
            // What was published is finite; most of a model that adapts does not change at all.
            let isSame = tensor.values.withUnsafeBytes { old in
                guard let old = old.baseAddress, let new = target.baseAddress else { return true }  // no numbers
                return memcmp(old, new, 4 * target.count) == 0
            }
            if isSame { continue }
            guard target.allSatisfy(\.isFinite) else { throw Refusal(.nonFinite, "\(tensor.shape.name) has a number that is not finite") }
            let result = tensor.values.withUnsafeBufferPointer { encode(tensor.shape.name, $0, to: target, coding, into: &contents) }
            if let result { changed[place] = result }
        }
        let plain = TensorArchive.encode(contents)
        return Encoded(payload: Payload(Zstandard.compress(plain)), plainBytes: plain.count, state: state.replacing(changed))
    }

    /// Adds the parts of one tensor.
    /// - Returns: its numbers afterwards; nil where nothing has changed.
    private static func encode(
        _ name: String, _ old: UnsafeBufferPointer<Float>, to new: UnsafeBufferPointer<Float>, _ coding: UpdateCoding,
        into contents: inout [TensorContent]
    ) -> [Float]? {
        let isChanged = { (index: Int) in old[index].bitPattern != new[index].bitPattern }
        let count = old.indices.count(where: isChanged)
        guard count > 0 else { return nil }
        let indices = count <= old.count / 2 ? old.indices.filter(isChanged) : nil
        var result = Array(old)
        let before = indices?.map { old[$0] } ?? result, after = indices?.map { new[$0] } ?? Array(new)
        var coded: [Float]?
        if coding.isLossy, count >= fewest {
            coded = coding == .int8 ? int8(name, before, after, into: &contents) : float16(name, before, after, into: &contents)
        }
        if coded == nil { contents.append(bits(name, before, after)) }
        if let indices {
            var next = 0
            let gaps = indices.map { index in
                defer { next = index + 1 }
                return UInt32(index - next)  // a tensor's numbers are fewer than 2^32: a file of one would not fit into a message
            }
            contents.append(TensorContent(name: "\(name)#\(Part.gaps)", shape: [gaps.count], words: gaps))
        }
        let numbers = coded ?? after
        if let indices {
            for (place, index) in indices.enumerated() { result[index] = numbers[place] }
        } else {
            result = numbers
        }
        return result
    }

    private static func bits(_ name: String, _ old: [Float], _ new: [Float]) -> TensorContent {
        let count = old.count
        let planes = [UInt8](unsafeUninitializedCapacity: 4 * count) { bytes, size in
            for index in 0..<count {
                let bits = old[index].bitPattern ^ new[index].bitPattern
                for plane in 0..<4 { bytes[plane * count + index] = UInt8(truncatingIfNeeded: bits >> (8 * plane)) }
            }
            size = 4 * count
        }
        return TensorContent(name: "\(name)#\(Part.bits)", bytes: planes)
    }

    /// Nil, and nothing is added, where a result would not be finite.
    private static func int8(_ name: String, _ old: [Float], _ new: [Float], into contents: inout [TensorContent]) -> [Float]? {
        var codes = [Int8](repeating: 0, count: old.count), scales: [Float] = [], result = old
        for start in stride(from: 0, to: old.count, by: block) {
            let range = start..<min(start + block, old.count)
            let largest = range.reduce(Float(0)) { max($0, abs(difference(old[$1], new[$1]))) }
            let scale = largest / 127
            scales.append(scale)
            guard scale > 0 else { continue }
            for index in range {
                let code = (difference(old[index], new[index]) / scale).rounded().clamped(to: -127...127)
                codes[index] = Int8(code)
                result[index] = sum(old[index], code, scale)
            }
        }
        guard result.allSatisfy(\.isFinite) else { return nil }
        contents.append(TensorContent(name: "\(name)#\(Part.int8)", shape: [codes.count], signedBytes: codes))
        contents.append(TensorContent(name: "\(name)#\(Part.scale)", shape: [scales.count], floats: scales))
        return result
    }

    /// Nil, and nothing is added, where a result would not be finite.
    private static func float16(_ name: String, _ old: [Float], _ new: [Float], into contents: inout [TensorContent]) -> [Float]? {
        let largest = zip(old, new).reduce(Float(0)) { max($0, abs(difference($1.0, $1.1))) }
        guard largest > 0 else { return nil }
        // A power of two, so that scaling rounds nothing.
        let scale = max(Float.leastNormalMagnitude, largest.binade / halfRange)
        let codes = zip(old, new).map { Float16((difference($0, $1) / scale).clamped(to: -65_504...65_504)) }
        let result = zip(old, codes).map { sum($0, Float($1), scale) }
        guard result.allSatisfy(\.isFinite) else { return nil }
        contents.append(TensorContent(name: "\(name)#\(Part.float16)", shape: [codes.count], halves: codes))
        contents.append(TensorContent(name: "\(name)#\(Part.scale)", shape: [1], floats: [scale]))
        return result
    }

    private static func difference(_ old: Float, _ new: Float) -> Float {
        (new - old).clamped(to: -Float.greatestFiniteMagnitude...Float.greatestFiniteMagnitude)
    }

    /// The product and the sum are rounded one after the other, as everybody computes them.
    private static func sum(_ old: Float, _ code: Float, _ scale: Float) -> Float {
        let step = code * scale
        return old + step
    }

    // MARK: Applying

    /// The state to which a delta leads.
    /// - Parameters:
    ///   - payload: compressed.
    ///   - plainBytes: its size when it is decompressed.
    ///   - title: the update's name in errors.
    /// - Throws: `tooLarge`, `undecodable`, `wrongShape`, `nonFinite`.
    public static func apply(_ payload: [UInt8], plainBytes: UInt64, to state: ModelState, title: String) throws(Refusal) -> ModelState {
        // Gaps and codes have at most six bytes for each number, their names and shapes some hundred.
        let bound = 2 * state.byteCount + 1_024 * (state.tensors.count + 64)
        guard let plainBytes = Int(exactly: plainBytes), plainBytes <= bound else {
            throw Refusal(.tooLarge, "\(title): a delta that says it has \(plainBytes) bytes; at most \(bound)")
        }
        guard let plain = Zstandard.decompress(payload, exactly: plainBytes) else {
            throw Refusal(.undecodable, "\(title): a delta that is not \(plainBytes) bytes when it is decompressed")
        }
        let archive: TensorArchive
        do {
            archive = try TensorArchive(bytes: plain, source: title)
        } catch {
            throw Refusal(.undecodable, error.description)
        }
        var changed: [Int: [Float]] = [:]
        for (name, parts) in try parts(of: archive, title) {
            guard let place = state.place(of: name) else { throw Refusal(.wrongShape, "\(title): no parameter \(name.prefix(128))") }
            changed[place] = try apply(parts, to: state.tensors[place], title)
        }
        return state.replacing(changed)
    }

    private static func parts(of archive: TensorArchive, _ title: String) throws(Refusal) -> [String: [Part: StoredTensor]] {
        var found: [String: [Part: StoredTensor]] = [:]
        for tensor in archive.tensors {
            guard let end = tensor.name.lastIndex(of: "#"), let part = Part(rawValue: String(tensor.name[end...].dropFirst())) else {
                throw Refusal(.wrongShape, "\(title): a delta without a part '\(tensor.name.prefix(128))'")
            }
            found[String(tensor.name[..<end]), default: [:]][part] = tensor
        }
        return found
    }

    private static func apply(_ parts: [Part: StoredTensor], to tensor: ModelState.Tensor, _ title: String) throws(Refusal) -> [Float] {
        let name = tensor.shape.name
        let indices = try parts[.gaps].map { gaps throws(Refusal) in try self.indices(gaps, within: tensor.values.count, title) }
        let old = indices?.map { tensor.values[$0] } ?? tensor.values, new: [Float]
        switch (parts[.bits], parts[.float16], parts[.int8], parts[.scale]) {
        case (let bits?, nil, nil, nil): new = try apply(bits: bits, to: old, title)
        case (nil, let halves?, nil, let scale?): new = try apply(halves, scale, block: max(1, old.count), to: old, title)
        case (nil, nil, let bytes?, let scale?): new = try apply(bytes, scale, block: block, to: old, title)
        default: throw Refusal(.wrongShape, "\(title): parts of \(name.prefix(128)) that do not belong together")
        }
        guard new.allSatisfy(\.isFinite) else {
            throw Refusal(.nonFinite, "\(title): \(name.prefix(128)) gets a number that is not finite")
        }
        guard let indices else { return new }
        var values = tensor.values
        for (place, index) in indices.enumerated() { values[index] = new[place] }
        return values
    }

    private static func indices(_ gaps: StoredTensor, within count: Int, _ title: String) throws(Refusal) -> [Int] {
        guard gaps.type == .uint32, gaps.shape.count == 1, gaps.count <= count else {
            throw Refusal(.wrongShape, "\(title): \(gaps.name.prefix(128)) is no list of at most \(count) gaps")
        }
        var next = 0, indices: [Int] = []
        indices.reserveCapacity(gaps.count)
        gaps.withUnsafeBytes { bytes in
            for place in 0..<gaps.count {
                let index = next + Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * place, as: UInt32.self)))
                guard index < count else { return }
                indices.append(index)
                next = index + 1
            }
        }
        guard indices.count == gaps.count else {
            throw Refusal(.wrongShape, "\(title): \(gaps.name.prefix(128)) leads beyond \(count) numbers")
        }
        return indices
    }

    private static func apply(bits: StoredTensor, to old: [Float], _ title: String) throws(Refusal) -> [Float] {
        guard bits.type == .uint8, bits.shape == [4 * old.count] else {
            throw Refusal(.wrongShape, "\(title): \(bits.name.prefix(128)) is not of \(old.count) numbers")
        }
        let count = old.count
        return bits.withUnsafeBytes { bytes in
            old.indices.map { index in
                var bits: UInt32 = 0
                for plane in 0..<4 { bits |= UInt32(bytes[plane * count + index]) << (8 * plane) }
                return Float(bitPattern: old[index].bitPattern ^ bits)
            }
        }
    }

    private static func apply(
        _ codes: StoredTensor, _ scale: StoredTensor, block: Int, to old: [Float], _ title: String
    ) throws(Refusal) -> [Float] {
        guard codes.type == .int8 || codes.type == .float16, codes.shape == [old.count], scale.type == .float32,
            scale.shape == [max(1, (old.count + block - 1) / block)]
        else { throw Refusal(.wrongShape, "\(title): \(codes.name.prefix(128)) is not of \(old.count) numbers") }
        let isHalf = codes.type == .float16
        return codes.withUnsafeBytes { bytes in
            scale.withUnsafeBytes { scales in
                old.indices.map { index in
                    let factor = scales.loadUnaligned(fromByteOffset: index / block * 4, as: Float.self)
                    let code =
                        isHalf
                        ? Float(bytes.loadUnaligned(fromByteOffset: 2 * index, as: Float16.self)) : Float(Int8(bitPattern: bytes[index]))
                    return sum(old[index], code, factor)
                }
            }
        }
    }
}

extension Float {
    fileprivate func clamped(to range: ClosedRange<Float>) -> Float { min(max(self, range.lowerBound), range.upperBound) }
}
