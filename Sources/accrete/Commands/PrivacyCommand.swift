import ArgumentParser
import Foundation
import Privacy
import StrictJSON

/// `accrete privacy`: how much a differentially private training reveals about one element.
struct PrivacyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "privacy", abstract: "Account for differential privacy.", subcommands: [Account.self])

    /// `accrete privacy account`: ε of a number of steps.
    struct Account: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the epsilon that steps with Gaussian noise spend.",
            discussion: """
                Each step adds noise to a sum of clipped gradients of a batch that contains every moment with probability Q, independently of \
                all others. A stream that is taken in its own order is not sampled: Q is 1.

                Examples:
                  accrete privacy account --sampling 0.01 --noise 1.1 --steps 10000 --delta 1e-5
                  accrete privacy account --sampling 1 --noise 4 --steps 16 --delta 1e-5 --json
                """)

        @Option(help: ArgumentHelp("The probability with which a moment is in a batch.", valueName: "q"))
        var sampling: Double

        @Option(help: ArgumentHelp("The noise's standard deviation, in units of the gradients' bound.", valueName: "sigma"))
        var noise: Double

        @Option(help: "The number of steps.")
        var steps: UInt64

        @Option(help: "The probability with which the bound may not hold.")
        var delta = 1e-5

        @Flag(help: "Print {\"epsilon\": …, \"order\": …}; epsilon is null where no bound holds.")
        var json = false

        func run() throws {
            var accountant = PrivacyAccountant()
            accountant.add(try SampledGaussian(samplingRate: sampling, noise: noise), steps: steps)
            let spent = try accountant.spent(delta: delta)
            if json {
                let epsilon = spent.epsilon.isFinite ? JSON.number(spent.epsilon) : .null
                print(JSON.object(["epsilon": epsilon, "order": .number(spent.order), "delta": .number(delta)]))
            } else {
                print("epsilon \(spent.epsilon) for delta \(delta), by the divergence of order \(spent.order)")
            }
        }
    }
}
