import Foundation
import Messaging
import Schema

/// The updates that subscribers may still ask for: the newest deltas, and the two newest whole models.
struct UpdateLibrary: Sendable {
    struct Entry: Sendable {
        let update: ModelUpdate
        let frames: [Payload]
        var byteCount: Int { frames.reduce(0) { $0 + $1.count } }
    }

    /// The newest, and the one before, which somebody may be receiving.
    private static let wholes = 2

    private let settings: UpdateSettings
    private(set) var wholes: [Entry] = []
    /// One version after the other.
    private(set) var deltas: [Entry] = []
    private var deltaBytes = 0

    init(_ settings: UpdateSettings) { self.settings = settings }

    mutating func add(_ update: ModelUpdate, _ frames: [Payload]) {
        let entry = Entry(update: update, frames: frames)
        guard update.kind == .delta else {
            // The same version again has the same content.
            wholes.removeAll { $0.update.version == update.version }
            wholes = (wholes + [entry]).suffix(Self.wholes)
            return
        }
        if let last = deltas.last, last.update.state != update.parentState { (deltas, deltaBytes) = ([], 0) }
        deltas.append(entry)
        deltaBytes += entry.byteCount
        while let first = deltas.first, deltas.count > settings.kept || deltaBytes > settings.keptBytes {
            deltaBytes -= first.byteCount
            deltas.removeFirst()
        }
    }

    /// What leads from a position to the newest version: deltas, or a whole model and deltas; empty where nothing is newer, or nothing has
    /// been published.
    /// - Parameter isValid: whether an update is still believed.
    func path(from position: UpdatePosition, isValid: (ModelUpdate) -> Bool) -> [ModelUpdate] {
        guard let whole = wholes.last else { return [] }
        let newest = [whole, deltas.last].compactMap(\.self).max { $0.update.version < $1.update.version } ?? whole
        if newest.update.version == position.version, newest.update.state == position.state { return [] }
        let anew = [whole] + (chain(from: whole.update.version, whole.update.state) ?? [])
        guard let chain = chain(from: position.version, position.state), chain.allSatisfy({ isValid($0.update) }),
            chain.reduce(0, { $0 + $1.byteCount }) < anew.reduce(0, { $0 + $1.byteCount })
        else { return anew.map(\.update) }
        return chain.map(\.update)
    }

    private func chain(from version: UInt64, _ state: Data) -> ArraySlice<Entry>? {
        guard let first = deltas.firstIndex(where: { $0.update.parent == version && $0.update.parentState == state }) else { return nil }
        return deltas[first...]
    }

    /// A piece of a payload.
    /// - Throws: `noUpdate` where the payload is not kept, or has no such piece.
    func piece(_ wanted: UpdatePiece) throws(Refusal) -> [UInt8] {
        guard let entry = (deltas + wholes).last(where: { $0.update.sha256 == wanted.sha256 }) else {
            throw Refusal(.noUpdate, "an update that is not kept")
        }
        guard let offset = Int(exactly: wanted.offset), offset < entry.byteCount, offset % settings.pieceBytes == 0 else {
            throw Refusal(.noUpdate, "no piece begins at \(wanted.offset) of \(entry.byteCount) bytes")
        }
        let range = offset..<min(offset + settings.pieceBytes, entry.byteCount)
        var piece: [UInt8] = [], start = 0
        piece.reserveCapacity(range.count)
        for frame in entry.frames {
            let part = range.clamped(to: start..<start + frame.count)
            if !part.isEmpty { frame.withUnsafeBytes { piece += $0[part.lowerBound - start..<part.upperBound - start] } }
            start += frame.count
        }
        return piece
    }
}

extension Reason {
    /// A subscriber has asked for an update that is not kept.
    public static let noUpdate = Reason(rawValue: "noUpdate")
}
