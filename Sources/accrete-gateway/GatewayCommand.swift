import ArgumentParser
import Files
import Foundation
import Gateway
import Launch
import Pipeline
import Wiring

/// Serves phones and browsers over HTTPS: publishes their `sensor.*` and `feedback.*`, and shows them `prediction.*`, `answer.*` and
/// the graph's state.
@main struct GatewayCommand: StageCommand {
    static let configuration = CommandConfiguration(
        commandName: "accrete-gateway", abstract: "Connects phones and browsers to a running graph.",
        discussion: """
            Examples:
              accrete-gateway                              prints the address, the access code and the certificate's fingerprint
              accrete-gateway --config accrete.yaml --set gateway.port=8443
            """)

    @OptionGroup var arguments: StageArguments
    @Option(help: "Write the address and the access code to this file and not to standard output.") var greeting: String?

    func launch() async throws {
        let settings = try arguments.settings(GatewayConfiguration.self), environment = ProcessInfo.processInfo.environment
        let greeting = greeting
        let task = Task {
            try await GatewayProcess(settings, environment: environment).run { reach in
                let text = Self.text(of: reach, listeningAt: settings.gateway.address)
                // The code is written to one place alone: a supervised process' output is a log that others may read.
                if let greeting { try replaceFile(at: greeting, with: text) } else { try StandardOutput.writeNow(text) }
            }
        }
        Supervision.onSupervisorExit { task.cancel() }
        let signals = Interrupts { task.cancel() }
        defer { signals.cancel() }
        do {
            try await task.value
        } catch is CancellationError {
            return
        } catch {
            throw StartFailure("gateway cannot run: \(error)")
        }
    }

    private static func text(of reach: GatewayProcess.Reach, listeningAt address: String) -> String {
        let everywhere = ["0.0.0.0", "::"].contains(address)
        let hosts = everywhere ? HostAddresses.reachable : [address]
        let lines = hosts.map { "phone:       \(reach.address(host: $0))\n" }.joined()
        let picture = hosts.first.flatMap { QRCode(reach.address(host: $0))?.terminalText } ?? ""  // a long address has none
        return picture + lines + "code:        \(reach.code)\ncertificate: SHA-256 \(reach.fingerprint)\n"
    }
}
