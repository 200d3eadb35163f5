import ArgumentParser
import CLinux
import Launch
import Wiring

/// The command line tool `accrete`.
@main struct Accrete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accrete",
        abstract: "Keeps a multimodal language model learning from live sensors.",
        version: accreteVersion,
        subcommands: [
            Up.self,
            Play.self,
            Record.self,
            ConvertCommand.self,
            Import.self,
            Validate.self,
            StatusCommand.self,
            Top.self,
            Watch.self,
            TriggersCommand.self,
            OrderCommand.self,
            Reset.self,
            Forget.self,
            MemoryCommand.self,
            JournalCommand.self,
            Tap.self,
            Keys.self,
            VerifyUpdate.self,
            Decisions.self,
            Explain.self,
            Drift.self,
            PrivacyCommand.self,
            Generate.self,
            Chat.self,
            Model.self,
            Tokenize.self,
            See.self,
            Voice.self,
            Hear.self,
        ]
    )

    static func main() async {
        write_line_by_line()
        await runCommandLine()
    }
}
