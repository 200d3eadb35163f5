import ArgumentParser
import CLinux

/// Benchmarks; most results are best compared with a peer that runs alternately on the same machine.
@main struct AccreteBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accrete-bench",
        abstract: "Measures the speed and the learning of Accrete's parts.",
        subcommands: [
            AV3MNIST.self,
            ApplicationBench.self,
            Continual.self,
            CorruptionBench.self,
            GateBench.self,
            ResumeBench.self,
            ExplanationsBench.self,
            FaultsBench.self,
            DecodingBench.self,
            FileDecodingBench.self,
            CompressBench.self,
            DistillationBench.self,
            FederatedBench.self,
            DriftBench.self,
            Electricity.self,
            PaceBench.self,
            CartPoleBench.self,
            GraphBench.self,
            InfluenceBench.self,
            PendulumBench.self,
            OmniglotBench.self,
            PersonalBench.self,
            PrivateBench.self,
            ProductsBench.self,
            SplitMNIST.self,
            TextPolicyBench.self,
            TokenizerBench.self,
            LanguageBench.self,
            LanguagesBench.self,
            TrainingBench.self,
            UpdatesBench.self,
            SensesBench.self,
            AnswersBench.self,
            MessagingBench.self,
        ]
    )

    static func main() async {
        write_line_by_line()
        await main(nil)
    }
}
