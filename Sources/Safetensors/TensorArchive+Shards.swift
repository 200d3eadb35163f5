import Files
import StrictJSON

extension TensorArchive {
    /// Opens the tensors of a model directory: `NAME.safetensors`, or the shards listed in `NAME.safetensors.index.json`, whose map must
    /// agree with the contents of the shards. If the directory has a `SHA256SUMS`, the files of the model, its configuration and its
    /// tokenizer are checked against it.
    /// - Parameters:
    ///   - directory: the directory.
    ///   - name: NAME.
    /// - Throws: `SafetensorsError`.
    public init(directory: String, name: String = "model") throws(SafetensorsError) {
        do {
            // A checkpoint also contains other archives and logs, which are not read here and thus not checked.
            _ = try FileDigests.checked(directory) { $0.hasPrefix(name) || !$0.hasSuffix(".safetensors") && !$0.hasSuffix(".jsonl") }
        } catch {
            throw SafetensorsError(directory, .damaged("\(error)"))
        }
        let file = "\(directory)/\(name).safetensors"
        let index = file + ".index.json"
        if !fileExists(file), fileExists(index) {
            try self.init(index: index, directory: directory)
        } else {
            try self.init(mapping: file)
        }
    }

    private init(index path: String, directory: String) throws(SafetensorsError) {
        let shardOfTensor = try Self.weightMap(path)
        var tensors: [StoredTensor] = []
        for shard in Set(shardOfTensor.values).sorted() {
            guard !shard.isEmpty, !shard.contains("/"), shard != ".." else {
                throw SafetensorsError(path, .badIndex("the shard \"\(shard)\" is not a file of this directory"))
            }
            let archive = try TensorArchive(mapping: "\(directory)/\(shard)")
            for tensor in archive.tensors {
                guard shardOfTensor[tensor.name] == shard else {
                    throw SafetensorsError(path, .badIndex("does not say that \"\(tensor.name)\" is in \(shard)"))
                }
            }
            tensors += archive.tensors
        }
        try self.init(source: path, metadata: [:], tensors: tensors)
        if let missing = shardOfTensor.keys.filter({ self[$0] == nil }).min() {
            throw SafetensorsError(path, .badIndex("says that \"\(missing)\" is in \(shardOfTensor[missing] ?? ""), but it is not"))
        }
    }

    /// The shard of each tensor, by the tensor's name.
    private static func weightMap(_ path: String) throws(SafetensorsError) -> [String: String] {
        let storage = try ByteStorage(mapping: path)
        var map: [String: String] = [:]
        do {
            try JSONScanner.read(storage.first) { scanner in
                try scanner.object { key, scanner in
                    guard key == "weight_map" else { return try scanner.skip() }
                    try scanner.object { name, scanner in map[name] = try scanner.string() }
                }
            }
        } catch {
            throw SafetensorsError(path, .badIndex("is not a valid index, \(error)"))
        }
        return map
    }
}
