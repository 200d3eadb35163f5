import Pipeline

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
        progress.momentsStored = progress.momentsSeen
        decisions?.flush()
        do {
            let others = (try decisions?.files() ?? []) + (sessions?.files ?? []) + correctionFiles + texts.files
            try store.save(guided, progress, labels, backlog: catchUp == nil ? nil : backlogToStore, others: others)
            let (position, journal, directory) = (progress.position ?? 0, progress.journal ?? 0, readings)
            catchUp?.release(moments: position, readings: journal, in: directory)
        } catch {
            ownTelemetry.drops.count(.checkpointFailed, because: "\(error)")
        }
    }
}
