/// Joins utterances to windows that are transcribed at once, because a window costs the same whether it is full or not.
///
/// A window ends at a pause of `pause`, or before the utterance that would make it longer than `longest`. A longer utterance is cut where
/// speech is least probable, in the second half of what a window holds.
/// - Parameters:
///   - utterances: ranges of samples, in order.
///   - probabilities: of `VoiceActivity`, one for every 512 samples.
///   - longest: the most samples of a window.
///   - pause: in samples.
public func speechWindows(
    _ utterances: [Range<Int>], probabilities: [Float], longest: Int = Whisper.window, pause: Int = 2 * VoiceActivity.sampleRate
) -> [Range<Int>] {
    precondition(longest >= 2 * VoiceActivity.frame, "windows of at most \(longest) samples")
    var windows: [Range<Int>] = []
    for utterance in utterances where !utterance.isEmpty {
        if let last = windows.last, utterance.lowerBound - last.upperBound < pause, utterance.upperBound - last.lowerBound <= longest {
            windows[windows.count - 1] = last.lowerBound..<utterance.upperBound
            continue
        }
        var rest = utterance
        while rest.count > longest {
            let cut = quietest(in: rest.lowerBound + longest / 2..<rest.lowerBound + longest, probabilities)
            windows.append(rest.lowerBound..<cut)
            rest = cut..<rest.upperBound
        }
        windows.append(rest)
    }
    return windows
}

/// The middle of the frame with the lowest probability of those that lie within some samples; their end if there is none.
public func quietest(in samples: Range<Int>, _ probabilities: [Float]) -> Int {
    let frame = VoiceActivity.frame, first = (samples.lowerBound + frame - 1) / frame
    let frames = first..<max(first, min(probabilities.count, samples.upperBound / frame))
    return frames.min { (probabilities[$0], $0) < (probabilities[$1], $1) }.map { $0 * frame + frame / 2 } ?? samples.upperBound
}
