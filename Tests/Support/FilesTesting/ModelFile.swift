import Foundation

/// Pretrained models that `deploy/models` downloads; they are not part of the repository.
public enum ModelFile {
    private static let root = URL(filePath: #filePath).appending(path: "../../../../models").standardizedFileURL

    public static let smolLM2 = root.appending(path: "smollm2-135m-instruct.gguf").path

    /// Whether a test that needs a model runs: if its file exists, and with `CI=true` also if it does not, so that the test fails.
    public static func isWanted(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) || nothingMayBeMissing }
}
