import MCAP
import Schema
import Signals
import Statistics
import TensorBoard

/// Records what a running graph publishes: as a recording that can be replayed, and its scores as an event file for TensorBoard.
///
/// The readings are those that ingest accepted. Sessions have clocks of their own; in the recording all have the wall clock, each with its
/// own offset, so that its moments are as long as they were.
public final class GraphRecorder {
    private let recording: RecordingWriter?
    private let events: EventFileWriter?
    /// By session: the timeline of its times and what is added to them, in nanoseconds.
    private var clocks = RecentTable<String, Clock>(capacity: 4096)
    /// By session, the session's time at which a reading ended a moment.
    private var ends = RecentTable<String, Int64>(capacity: 4096)
    /// The ids of moments that may not be kept.
    private var withheld = RecentTable<String, Bool>(capacity: 4096)
    private var newestBoundary: (epoch: UInt64, ordinal: UInt64) = (0, 0)
    private var moments: UInt64 = 0

    private struct Clock {
        var timeline: UInt64
        var offset: Int64
    }

    /// What is subscribed to: everything but features and moments, which are made of the readings.
    package static let topics =
        [
            Topics.sample.prefix, Topics.feedback.prefix, Topics.prediction.prefix, Topics.action.prefix, Topics.answer.prefix,
            Topics.reliability.prefix, Topics.modelUpdate.prefix, Topics.modelVerdict.prefix, Topics.triggerLedger.prefix,
            Topics.evaluationSummary.prefix, Topics.evaluationDomains.prefix, Topics.status.prefix,
        ]

    /// - Parameters:
    ///   - recording: nil: none is made.
    ///   - events: nil: none are written.
    package init(_ recording: RecordingWriter?, _ events: EventFileWriter?) { (self.recording, self.events) = (recording, events) }

    /// Takes a message of the graph.
    /// - Parameters:
    ///   - message: the header; those of readings need their payload.
    ///   - now: the wall clock, in nanoseconds since 1970.
    /// - Throws: an error of the file system.
    package func take(_ message: any Stamped, topic: String, payload: () -> [UInt8], at now: Int64) throws {
        switch message {
        case let sample as Sample: try take(sample, payload, at: now)
        case let feedback as Feedback: if feedback.consent.isKept { try take(feedback, at: now) }
        case let prediction as Prediction where withheld[prediction.moment] != nil: break
        case let answer as Answer where withheld[answer.moment] != nil: break
        case let action as Action where withheld[action.moment] != nil: break
        default:
            try recording?.write(message, topic: topic, logTime: UInt64(clamping: now))
            try plot(message, at: now)
        }
    }

    private func take(_ sample: Sample, _ payload: () -> [UInt8], at now: Int64) throws {
        switch sample.content {
        case .reading(let message)? where !message.consent.isKept: break
        case .reading(let message)?:
            if clocks[message.session]?.timeline != sample.timeline {
                clocks[message.session] = Clock(timeline: sample.timeline, offset: now.clampedSubtracting(message.stamp.time))
            }
            if message.ends != .none { ends[message.session] = message.stamp.time }
            guard let recording else { return }
            var reading = message.event(payload())
            reading.time = time(message.stamp.time, in: message.session, at: now)
            try recording.write(.reading(reading), logTime: UInt64(clamping: now))
        case .boundary(let boundary)?:
            if !boundary.consent.isKept { withheld["\(boundary.session)/\(boundary.end)"] = true }
            // Every extractor is sent every boundary.
            let isNew =
                boundary.epoch > newestBoundary.epoch
                || boundary.epoch == newestBoundary.epoch && boundary.ordinal > newestBoundary.ordinal
            guard isNew, !boundary.last else { return }
            newestBoundary = (boundary.epoch, boundary.ordinal)
            guard ends[boundary.session] != boundary.end else { return }
            let time = time(boundary.end, in: boundary.session, at: now), domain = boundary.domain.isEmpty ? nil : boundary.domain
            try recording?.write(.cut(.init(time: time, session: boundary.session, domain: domain)), logTime: UInt64(clamping: now))
        case nil: break
        }
    }

    /// A label that names a moment becomes one of a session, known now; other feedback is kept as it is.
    private func take(_ feedback: Feedback, at now: Int64) throws {
        let end = feedback.moment.split(separator: "/").last.flatMap { Int64($0) } ?? feedback.momentEnd
        guard feedback.hasLabel, feedback.decision.isEmpty, feedback.label < feedback.classes else {
            try recording?.write(feedback, logTime: UInt64(clamping: now))
            return
        }
        let time = time(end, in: feedback.session, at: now)
        var label = SessionEvent.Label(
            time: time, session: feedback.session, label: Int(feedback.label), classes: Int(feedback.classes), knownAt: max(time, now))
        label.consent = ConsentClass(feedback.consent)?.rawValue
        try recording?.write(.label(label), logTime: UInt64(clamping: now))
    }

    /// A session's time by the wall clock.
    private func time(_ time: Int64, in session: String, at now: Int64) -> Int64 {
        guard let clock = clocks[session] else { return now }
        return min(max(time.clampedAdding(clock.offset), -Int64.furthestTime), .furthestTime)
    }

    // MARK: Scalars

    private func plot(_ message: any Stamped, at now: Int64) throws {
        guard let events else { return }
        var scalars: [String: Double] = [:]
        switch message {
        case let summary as EvaluationSummary:
            moments = summary.moments
            for scores in summary.window where scores.labelled > 0 {
                scalars["loss/\(scores.name)"] = scores.classNll
                scalars["accuracy/\(scores.name)"] = scores.accuracy
                if scores.tokens > 0 { scalars["bitsPerByte/\(scores.name)"] = scores.bitsPerByte }
            }
        case let update as ModelUpdate:
            scalars["version"] = Double(update.version)
            scalars["loss/training"] = update.loss
            moments = max(moments, update.momentsSeen)
        case let status as Status where status.stage == "learn":
            scalars["learningRate"] = status.gauges["learningRate"]
        default: return
        }
        try events.add(scalars, step: Int64(clamping: moments), time: Double(secondsIn: now))
    }

    /// Writes what has been taken, so that a crash of this process does not lose it.
    /// - Throws: an error of the file system.
    package func flush() throws { try recording?.flush() }

    /// Writes the end of the recording.
    /// - Throws: an error of the file system.
    package func finish() throws { try recording?.finish() }
}
