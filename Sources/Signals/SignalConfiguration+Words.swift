import Statistics

extension SignalConfiguration {
    /// The error of transcribing in lockstep: when words come depends on how long it takes, and equal streams would not give equal models.
    public static let wordsAreLive = SettingsError(
        "signals.audio.words", "is for live mode only; in lockstep, transcribe a recording with 'accrete hear' and add its words")
}
