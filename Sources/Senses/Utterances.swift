/// Finds where utterances begin and end from probabilities of speech.
public struct UtteranceSettings: Sendable, Equatable {
    /// The probability from which speech begins.
    public var threshold: Float = 0.5
    /// The probability below which it is silent again.
    public var silence: Float = 0.35
    /// A shorter silence, in seconds, does not end an utterance.
    public var shortestSilence = 0.1
    /// A shorter utterance, in seconds, is none.
    public var shortestUtterance = 0.25
    /// What is added before and after an utterance, in seconds; where two would overlap, the time between them is divided.
    public var margin = 0.03

    public init() {}
}

/// The utterances of a sound at 16 kHz.
///
/// - Parameters:
///   - probabilities: of `VoiceActivity`, one for every 512 samples.
///   - count: the number of samples.
///   - settings: when an utterance begins and ends.
/// - Returns: ranges of samples, in order.
public func utterances(
    in probabilities: [Float], samples count: Int, _ settings: UtteranceSettings = UtteranceSettings()
) -> [Range<Int>] {
    let frame = VoiceActivity.frame, rate = Double(VoiceActivity.sampleRate)
    var found: [Range<Int>] = []
    var begin: Int?, quiet: Int?
    func end(_ place: Int) {
        if let first = begin, Double(min(count, place) - first) >= settings.shortestUtterance * rate {
            found.append(first..<min(count, place))
        }
        (begin, quiet) = (nil, nil)
    }
    for (index, probability) in probabilities.enumerated() where index * frame < count {
        if probability >= settings.threshold {
            begin = begin ?? index * frame
            quiet = nil
        } else if begin != nil, probability < settings.silence {
            let first = quiet ?? index * frame
            quiet = first
            if Double((index + 1) * frame - first) >= settings.shortestSilence * rate { end(first) }
        }
    }
    end(count)
    let margin = Int(settings.margin * rate)
    return found.indices.map { i in
        let room = (
            before: i == 0 ? found[i].lowerBound : found[i].lowerBound - found[i - 1].upperBound,
            after: i == found.count - 1 ? count - found[i].upperBound : found[i + 1].lowerBound - found[i].upperBound
        )
        let before = i == 0 ? min(margin, room.before) : min(margin, room.before / 2)
        let after = i == found.count - 1 ? min(margin, room.after) : min(margin, room.after / 2)
        return found[i].lowerBound - before..<found[i].upperBound + after
    }
}
