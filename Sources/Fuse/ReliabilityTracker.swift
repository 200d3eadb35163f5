import Model
import Schema
import Statistics
import Timing

/// The reliability of every modality of every session, and which are muted.
struct ReliabilityTracker {
    struct Change: Equatable {
        var modality: String
        var isMuted: Bool
        var reliability: Double
        var cause: SenseReliability.Cause
    }

    /// The reliability of one moment's modalities, those muted, and what has changed.
    struct Judgement {
        var reliability: [String: Double] = [:]
        var muted: Set<String> = []
        var changes: [Change] = []
    }

    private struct Session {
        var senses: [String: SenseReliability] = [:]

        mutating func observe(_ modality: String, _ features: [Float], validity: Double, _ settings: ReliabilitySettings) {
            senses[modality, default: SenseReliability(settings)].observe(features, validity: validity)
        }
    }

    private let settings: ReliabilitySettings
    private var sessions: RecentTable<String, Session>
    private(set) var newest: [String: Double] = [:]
    private(set) var mutings: [String: Int] = [:]

    init(_ settings: FuseSettings) {
        self.settings = settings.reliability
        sessions = RecentTable(capacity: settings.maximumSessions)
    }

    /// Updates the statistics with a moment's readings, and rates its modalities.
    /// - Parameter learns: whether the statistics stay as updated.
    mutating func judge(_ input: MomentInput, session name: String, learns: Bool = true) -> Judgement {
        var session = sessions[name] ?? Session()
        for (modality, sense) in input.senses { session.observe(modality, sense.values, validity: Double(sense.validity), settings) }
        if !input.text.isEmpty { session.observe(MultimodalConfiguration.textName, input.text.map(Float.init), validity: 1, settings) }
        let present = session.senses.keys.filter { input.has($0) }.sorted()
        var judgement = Judgement(), causes: [String: SenseReliability.Cause] = [:]
        for modality in present {
            let others = present.filter { $0 != modality }.compactMap { session.senses[$0]?.excess }
            guard let (value, cause) = session.senses[modality]?.reliability(beside: others.min() ?? 0) else { continue }
            judgement.reliability[modality] = value
            causes[modality] = cause
        }
        decide(&session, present, &judgement, causes, counts: learns)
        guard learns else {
            judgement.changes = []
            return judgement
        }
        sessions[name] = session
        newest.merge(judgement.reliability) { _, new in new }
        return judgement
    }

    /// Mutes and readmits modalities; the most reliable of those that are present is never left out.
    private mutating func decide(
        _ session: inout Session, _ present: [String], _ judgement: inout Judgement, _ causes: [String: SenseReliability.Cause],
        counts: Bool
    ) {
        for modality in present {
            guard let value = judgement.reliability[modality], let cause = causes[modality],
                let wasMuted = session.senses[modality]?.isMuted
            else { continue }
            let isMuted = wasMuted ? value <= settings.readmitAbove : value < settings.muteBelow
            guard isMuted != wasMuted else { continue }
            session.senses[modality]?.isMuted = isMuted
            judgement.changes.append(Change(modality: modality, isMuted: isMuted, reliability: value, cause: cause))
            if isMuted, counts { mutings[modality, default: 0] += 1 }
        }
        guard settings.mutes else { return }
        let muted = present.filter { session.senses[$0]?.isMuted == true }
        let spared =
            muted.count == present.count ? present.max { (judgement.reliability[$0] ?? 0) < (judgement.reliability[$1] ?? 0) } : nil
        judgement.muted = Set(muted.filter { $0 != spared })
    }

    /// Updates the error statistics with a label.
    /// - Parameters:
    ///   - experts: by modality, the class probabilities of its expert.
    ///   - classes: the number of classes.
    mutating func learn(_ experts: [String: [Float]], label: Int, classes: Int, session name: String) {
        sessions.update(name) { session in
            for (modality, opinion) in experts where label < opinion.count && opinion[label].isFinite {
                session.senses[modality]?.observe(error: 1 - Double(opinion[label]), chance: 1 - 1 / Double(max(2, classes)))
            }
        }
    }
}
