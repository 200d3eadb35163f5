import FilesTesting
import Foundation
import Learning
import Model
import Safetensors
import Testing

private let fixtures = SharedData.path("fixtures")
private let fixture = fixtures + "/gpt2-tiny"

@Suite(.enabled(if: SharedData.isWanted("fixtures/gpt2-tiny"), "../shared/fixtures is absent"))
struct ModelVerificationTests {
    private let folder = Folder()

    /// PyTorch's logits, loss, gradients, and its parameters after steps of five optimisers, for every family.
    @Test(arguments: ["gpt2-tiny", "llama-tiny", "llama3-tiny", "mistral-tiny", "qwen2-tiny"])
    func theFixtureAgrees(name: String) throws {
        let verification = try ModelVerification(model: "\(fixtures)/\(name)/model", expected: "\(fixtures)/\(name)/expected.safetensors")
        #expect(verification.differences.map(\.kind) == ["logits", "loss", "gradients", "adam", "adamw", "lamb", "momentum", "sgd"])
        for difference in verification.differences {
            #expect(difference.relative < 0.3 * difference.tolerance, "\(difference)")
            #expect(difference.absolute < 1e-3)
        }
    }

    @Test(arguments: ["grad.transformer.h.1.ln_2.weight", "lamb.transformer.wpe.weight", "logits"])
    func oneNumberThatDiffersIsFound(tensor: String) throws {
        let directory = folder.path
        try FileManager.default.copyItem(atPath: fixture + "/expected.json", toPath: directory + "/expected.json")
        let tensors = try TensorArchive(mapping: fixture + "/expected.safetensors").tensors.map { stored in
            guard stored.name == tensor else { return TensorContent(stored) }
            var numbers = try stored.floats()
            numbers[5] += 0.5
            return TensorContent(name: tensor, shape: stored.shape, floats: numbers)
        }
        try TensorArchive.write(tensors, to: directory + "/expected.safetensors")
        let verification = try ModelVerification(model: fixture + "/model", expected: directory + "/expected.safetensors")
        #expect(verification.differences.filter { !$0.agrees }.map(\.tensor) == [tensor])
    }
}
