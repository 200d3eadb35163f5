import Learning
import Pipeline
import Safetensors
import Schema

/// What moved each version, where versions are explained. It changes nothing that is learned. Anchors and the names of moments are in no
/// checkpoint: after a restart explanations begin again when there are enough anchors.
extension LearnProcessor {
    /// Keeps the explanation of the version that is being published, if it has one.
    mutating func keep(_ explanation: UpdateExplanation?, _ reason: String, _ verdict: GateVerdict?) {
        guard let explanation else { return }
        explained.append(
            ExplainedUpdate(
                version: progress.version, cause: "\(cause)", reason: reason, decision: verdict?.decision.rawValue, learned: learned,
                seconds: learning.inSeconds, explanation: explanation))
        if explained.count > InfluenceFile.most { explained.removeFirst() }
    }

    /// Begins to explain the next version, if it is one that is explained.
    mutating func beginInfluence() {
        learning = .zero
        guard settings.influenceEvery > 0, (progress.version + 1) % UInt64(settings.influenceEvery) == 0 else { return }
        guided.influence?.begin(guided.learner)
    }

    /// The explained versions as a file of the checkpoint; none where there are none.
    var influenceFiles: [CheckpointDirectory.Content] {
        explained.isEmpty ? [] : [.init(InfluenceFile.name, text: InfluenceFile.text(of: explained))]
    }

    mutating func restoreInfluence() {
        guard settings.influenceEvery > 0, let path = store.opened?[InfluenceFile.name] else { return }
        explained = Array(((try? InfluenceFile.read(path)) ?? []).suffix(InfluenceFile.most))
    }

    /// Forgets what named a session: all explanations, since sums of others contain it too.
    mutating func forgetInfluence() { explained.removeAll() }

    /// What moved the newest version, as a passport has it; nothing where it was not explained.
    func addInfluence(to evidence: inout Evidence, of version: UInt64) {
        guard let newest = explained.last, newest.version == version else { return }
        func messages(_ gains: some Collection<UpdateExplanation.Gain>) -> [Influence] {
            gains.map { gain in
                .with { ($0.name, $0.rows, $0.gain) = (gain.name, UInt32(clamping: gain.rows), gain.gain ?? 0) }
            }
        }
        let most = UpdateExplanation.most / 2, explanation = newest.explanation
        evidence.moments = messages(explanation.harmed.prefix(most)) + messages(explanation.helped.prefix(most))
        evidence.sessions = messages(explanation.sessions)
    }
}
