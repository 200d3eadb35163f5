import Applications
import Recordings
import Signals

/// Recordings of CaptainCook4D: every recording a session, every step a moment with its recipe and its text; the label, known when the
/// next step begins, is the next step's place in the recipe's list.
struct StepsOfRecipes: Importer {
    static let summary = "steps of recipes of CaptainCook4D (JSON lines): which step comes next"

    private let sessions: [CookingSession]

    init(path: String) throws { sessions = try CookingSession.read(path: path) }

    let settings: [String] = []

    /// Seconds between two recordings.
    private static let pause = 60.0

    func write(to output: inout SessionOutput) throws {
        let lists = Dictionary(grouping: sessions, by: \.recipe).mapValues { Set($0.flatMap(\.steps).map(\.id)).sorted() }
        let classes = lists.values.map(\.count).max() ?? 1
        var began = 0.0
        for (index, session) in sessions.enumerated() {
            let list = lists[session.recipe] ?? [], name = "recording-\(index + 1)"
            let steps = session.steps.sorted { $0.start < $1.start }
            for (step, next) in zip(steps, steps.dropFirst().map { $0 } + [nil]) {
                let end = time(began + step.start)
                try output.write(
                    .reading(
                        .init(
                            time: end, session: name, source: "narrator", modality: "text",
                            content: .payload(RawReading(text: "\(session.recipe): \(step.text)")), endsMoment: true,
                            domain: session.recipe)))
                guard let next, let label = list.firstIndex(of: next.id) else { continue }
                try output.write(
                    .label(
                        .init(
                            time: end, session: name, label: label, classes: classes, knownAt: time(began + next.start),
                            domain: session.recipe)))
            }
            began += (steps.last?.start ?? 0) + Self.pause
        }
    }
}
