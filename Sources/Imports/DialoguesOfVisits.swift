import Applications
import Recordings
import Signals

/// Dialogues of MTS-Dialog: each a moment; the label is the section of the record that it belongs to.
struct DialoguesOfVisits: Importer {
    static let summary = "doctors' and patients' dialogues of MTS-Dialog (section_header, dialogue): the section of the record"

    private let dialogues: [VisitDialogue]
    private let sections: [String]

    init(path: String) throws {
        var reader = VisitDialogueReader()
        dialogues = try reader.dialogues(path: path)
        sections = reader.sections
    }

    var settings: [String] {
        let longest = dialogues.map(\.text.utf8.count).max() ?? 0
        return ["signals.text.maximumBytes=\(max(4096, longest))", "model.text.words=512", "model.text.buckets=8192"]
    }

    /// Seconds between two dialogues.
    private static let interval = 60.0

    func write(to output: inout SessionOutput) throws {
        for (index, dialogue) in dialogues.enumerated() {
            let end = time(Self.interval * Double(index + 1)), name = "visit-\(index + 1)"
            try output.write(
                .reading(
                    .init(
                        time: end, session: name, source: "dialogue", modality: "text",
                        content: .payload(RawReading(text: dialogue.text)), endsMoment: true)))
            try output.write(.label(.init(time: end, session: name, label: dialogue.section, classes: sections.count)))
        }
    }
}
