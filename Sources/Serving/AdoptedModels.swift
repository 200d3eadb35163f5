import Pipeline
import Messaging
import Model
import Safetensors
import Schema
import Statistics
import Tensors

/// Model updates as they come in, checked, and handed out by the moment they may be used for.
///
/// An update is taken when its digest, names and shapes are right and it is newer than the last: by version, or by the learner's epoch after a restart.
package struct AdoptedModels {
    package struct Version {
        package var update: ModelUpdate
        package var archive: TensorArchive
    }

    private let layout: ParameterLayout
    /// Updates that no moment has asked for yet; the oldest makes room.
    private let capacity: Int
    package private(set) var versions: [Version] = []
    private var epoch: UInt64 = 0
    private var newest: UInt64?
    /// Versions that never arrived.
    package private(set) var missed: UInt64 = 0

    package init(layout: ParameterLayout, capacity: Int) {
        self.layout = layout
        self.capacity = capacity
    }

    /// - Throws: `wrongDigest`, `wrongModel`, `nonFinite`, `sequenceRunsBack`.
    package mutating func insert(_ update: ModelUpdate, payload message: WireMessage) throws(Refusal) {
        let isRestart = update.stamp.epoch > epoch
        if let newest, !isRestart, update.version <= newest {
            if update.version == newest { return }  // sent again for a late subscriber
            throw Refusal(.sequenceRunsBack, "version \(update.version) after \(newest)")
        }
        guard max(update.version, update.momentsSeen, update.momentWatermark, update.streamBase) <= ReservedNumbers.most else {
            throw Refusal(.wrongModel, "version \(update.version) after \(update.momentsSeen) moments")
        }
        let payload = try message.joinedPayload()
        guard SHA256.hex(of: payload) == SHA256.hex(Array(update.sha256)) else {
            throw Refusal(.wrongDigest, "version \(update.version)")
        }
        let archive: TensorArchive
        do throws(SafetensorsError) {
            archive = try TensorArchive(bytes: payload, source: "model.update version \(update.version)")
            for parameter in layout.parameters { try archive.tensor(parameter.name, shape: parameter.shape).checkFinite() }
        } catch let error where error.isNonFinite {
            throw Refusal(.nonFinite, error.description)
        } catch {
            throw Refusal(.wrongModel, error.description)
        }
        if let newest, !isRestart { missed = missed.clampedAdding(update.version.clampedSubtracting(newest).clampedSubtracting(1)) }
        epoch = update.stamp.epoch
        newest = update.version
        versions.append(Version(update: update, archive: archive))
        if versions.count > capacity { versions.removeFirst() }
    }

    /// The newest version that has learned from nothing at or after moment `ordinal`; older ones are let go.
    package mutating func version(before ordinal: UInt64) -> Version? {
        guard let index = versions.lastIndex(where: { $0.update.momentWatermark < ordinal && $0.update.momentsSeen < ordinal }) else {
            return nil
        }
        versions.removeFirst(index)
        return versions.first
    }

    /// Whether the version that a lockstep run wants for moment `ordinal` is there: the learner publishes every `step` moments.
    package func isCurrent(for ordinal: UInt64, step: Int) -> Bool {
        versions.last.map { ordinal <= $0.update.momentsSeen || ordinal - 1 - $0.update.momentsSeen < UInt64(step) } ?? false
    }
}

extension TensorArchive {
    /// Copies every parameter's numbers into `store`.
    /// - Throws: the tensor that is missing, misshapen or not finite.
    package func copy(into store: ParameterStore<Float>) throws(SafetensorsError) {
        for parameter in store.layout.parameters {
            try tensor(parameter.name, shape: parameter.shape).copy(into: store[parameter.name])
        }
    }
}

extension WireMessage {
    /// A file that was cut into frames, whole again.
    /// - Throws: `wrongShape` where there are none.
    func joinedPayload() throws(Refusal) -> [UInt8] {
        let frames = payload
        guard !frames.isEmpty else { throw Refusal(.wrongShape, "no payload frames") }
        var whole: [UInt8] = []
        whole.reserveCapacity(frames.reduce(0) { $0 + $1.count })
        for frame in frames { frame.withUnsafeBytes { whole.append(contentsOf: $0) } }
        return whole
    }
}

extension StoredTensor {
    /// - Throws: `nonFinite`, `notConvertible`.
    func checkFinite() throws(SafetensorsError) {
        guard type == .float32 else { return _ = try floats() }
        let exponent = Float.infinity.bitPattern
        let isFinite = withUnsafeBytes { bytes in
            var found = false
            for place in stride(from: 0, to: bytes.count, by: 4) {
                found = found || bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self) & exponent == exponent
            }
            return !found
        }
        if !isFinite { _ = try floats() }
    }
}

extension SafetensorsError {
    /// Whether a number that is not finite is all that is wrong.
    var isNonFinite: Bool { if case .nonFinite = reason { true } else { false } }
}
