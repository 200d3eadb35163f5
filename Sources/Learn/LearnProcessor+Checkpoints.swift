import Pipeline
import Safetensors

/// Checkpoints, and the version numbers that outlast them.
extension LearnProcessor {
    mutating func cover() {
        do {
            try versions.cover(progress.version)
        } catch {
            ownTelemetry.drops.count(.checkpointFailed, because: "\(error)")
        }
    }

    /// Releases reserved versions that will not be published.
    mutating func settle() { try? versions.settle(at: progress.version) }  // on failure they are skipped

    /// In live mode, writing checkpoints takes at most a twentieth of the time, however large the model.
    static let storingShare = 20.0

    mutating func save(at now: Instant) {
        let start = clock.now
        defer { storing = (clock.now - start).inSeconds }
        (lastStored, eventsStored) = (now, progress.events)
        do {
            try write()
            // Only what was published has a number.
            if guided.learner.steps == stepsPublished { try kept.keep(progress.version, of: settings.directory) }
            let (position, journal, directory) = (progress.position ?? 0, progress.journal ?? 0, readings)
            catchUp?.release(moments: position, readings: journal, in: directory)
        } catch {
            ownTelemetry.drops.count(.checkpointFailed, because: "\(error)")
        }
    }

    private mutating func write() throws {
        progress.momentsStored = progress.momentsSeen
        decisions?.flush()
        let others = (try decisions?.files() ?? []) + (sessions?.files ?? []) + correctionFiles + texts.files + influenceFiles
        try store.save(guided, progress, labels, backlog: catchUp == nil ? nil : backlogToStore, others: others)
    }

    /// Writes a checkpoint of a replay.
    /// - Parameters:
    ///   - position: of the newest record of fuse's journal, where a live learner goes on after it; nil: it is of a replay.
    ///   - journal: of the newest record of ingest's journal.
    /// - Throws: the error of writing.
    package mutating func store(position: UInt64?, journal: UInt64?) throws {
        if let position { progress.position = position }
        if let journal { (progress.journal, progress.reached) = (journal, max(journal, progress.reached ?? 0)) }
        try write()
    }

    /// SHA-256 of the parameters that serve, as they are published, in hexadecimal.
    package var parametersDigest: String { SHA256.hex([UInt8](PublishedParameters(guided.serving).digest)) }
}
