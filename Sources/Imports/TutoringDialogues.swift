import Applications
import Recordings
import Signals

/// Chats of Bridge: each a session of two moments: the messages so far, whose label is the kind of the student's error, known when the
/// expert's reply comes; and that reply.
struct TutoringDialogues: Importer {
    static let summary = "tutors' and students' chats of Bridge (JSON): the kind of the student's error, and the expert's reply"

    private let chats: [TutoringChat]

    init(path: String) throws { chats = try TutoringChat.read(path: path) }

    var settings: [String] {
        let longest = chats.flatMap { [Self.history($0), Self.reply($0)] }.map(\.utf8.count).max() ?? 0
        return ["signals.text.maximumBytes=\(max(4096, longest))", "model.text.words=128", "model.text.buckets=8192"]
    }

    /// Seconds between two chats, and between the last message and the expert's reply.
    private static let interval = 60.0, delay = 30.0

    private static func history(_ chat: TutoringChat) -> String {
        chat.messages.map { ($0.isTutors ? "Tutor: " : "Student: ") + $0.text }.joined(separator: "\n")
    }

    private static func reply(_ chat: TutoringChat) -> String { chat.reply.map { "Tutor: " + $0 }.joined(separator: "\n") }

    func write(to output: inout SessionOutput) throws {
        for (index, chat) in chats.enumerated() {
            let asked = time(Self.interval * Double(index + 1)), answered = time(Self.interval * Double(index + 1) + Self.delay)
            let name = "chat-\(index + 1)"
            try write(Self.history(chat), of: name, source: "chat", at: asked, to: &output)
            try output.write(
                .label(
                    .init(
                        time: asked, session: name, label: chat.error, classes: TutoringChat.errorKinds.count, knownAt: answered)))
            try write(Self.reply(chat), of: name, source: "expert", at: answered, to: &output)
        }
    }

    private func write(_ text: String, of session: String, source: String, at time: Int64, to output: inout SessionOutput) throws {
        try output.write(
            .reading(
                .init(
                    time: time, session: session, source: source, modality: "text", content: .payload(RawReading(text: text)),
                    endsMoment: true)))
    }
}
