import Layers
import StrictJSON
import _StringProcessing

/// The low-rank adapters that PEFT's `adapter_config.json` describes. Settings that are unknown, or under which the adapters would
/// compute something else than this implementation, are refused by name.  https://huggingface.co/docs/peft/package_reference/lora
struct PEFTConfiguration {
    private let members: [String: JSON]
    private let file: String
    private let rank: Int
    private let alpha: Double

    /// Members that change nothing about what saved adapters compute.
    private static let inert: Set = [
        "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode", "lora_dropout",
        "fan_in_fan_out",
        "megatron_core", "qalora_group_size", "runtime_config", "ensure_weight_tying", "loftq_config", "eva_config", "corda_config",
        "lora_ga_config",
    ]
    /// Members that are read.
    private static let read: Set = [
        "peft_type", "r", "lora_alpha", "bias", "use_rslora", "init_lora_weights", "target_modules", "exclude_modules",
        "layers_to_transform",
        "layers_pattern", "rank_pattern", "alpha_pattern",
    ]
    /// Initialisations that leave the base model's weights unchanged; others (pissa, olora, loftq, corda) subtract a part from them.
    private static let plainStarts: Set = ["gaussian", "eva", "orthogonal", "mica"]

    init(_ json: JSON, file: String) throws(CheckpointError) {
        guard let members = json.object else { throw .malformed(file: file, "at byte 0: an object was expected") }
        func refuse(_ key: String) -> CheckpointError { .configuration(file: file, key: key, "is \(members[key]?.text() ?? "missing")") }
        guard members["peft_type"]?.string == "LORA" else { throw refuse("peft_type") }
        let others = members.keys.filter { !Self.inert.contains($0) && !Self.read.contains($0) }
        if let stray = others.sorted().first(where: { !Self.isEmpty(members[$0]) }) { throw refuse(stray) }
        guard Self.isEmpty(members["bias"]) || members["bias"]?.string == "none" else { throw refuse("bias") }
        switch members["init_lora_weights"] ?? .null {
        case .null, .bool: break
        case .string(let name) where Self.plainStarts.contains(name.lowercased()): break
        default: throw refuse("init_lora_weights")
        }
        guard Self.isEmpty(members["use_rslora"]) || members["use_rslora"]?.bool == true else { throw refuse("use_rslora") }
        guard let rank = members["r"]?.integer, Self.ranks.contains(rank) else { throw refuse("r") }
        guard let alpha = members["lora_alpha"]?.double, alpha.isFinite else { throw refuse("lora_alpha") }
        self.members = members
        self.file = file
        self.rank = rank
        self.alpha = alpha
    }

    private static let ranks = 1...65_536

    /// Whether a value is absent, or one that switches a feature off.
    private static func isEmpty(_ value: JSON?) -> Bool {
        switch value {
        case nil, .null, .bool(false), .string(""): true
        case .array(let elements): elements.isEmpty
        case .object(let members): members.isEmpty
        default: false
        }
    }

    private func refuse(_ key: String, _ problem: String? = nil) -> CheckpointError {
        .configuration(file: file, key: key, problem ?? "is \(members[key]?.text() ?? "missing")")
    }

    /// The adapters of a model's projections.
    /// - Parameters:
    ///   - projections: all projections of the model, by their parameters' names.
    ///   - others: modules that PEFT could adapt too, but this implementation cannot.
    ///   - usual: the ends of the names that PEFT adapts if no targets are given.
    ///   - stored: the name of a module in PEFT's view of the model.
    func adapters(
        projections: [String], others: [String], usual: [String], stored: (String) -> String
    ) throws(CheckpointError) -> Adapters {
        var chosen: [String] = []
        for name in projections where try isTarget(stored(name), usual) { chosen.append(name) }
        if !isAllLinear {
            for name in others where try isTarget(stored(name), usual) {
                throw refuse("target_modules", "names \(name); only projections of the blocks can be adapted")
            }
        }
        guard !chosen.isEmpty else {
            throw refuse("target_modules", "names \(members["target_modules"]?.names ?? "nothing"), which this model does not have")
        }
        var adapters = Adapters(rank: rank, alpha: alpha, projections: chosen)
        adapters.isRankStabilized = members["use_rslora"]?.bool == true
        for name in chosen {
            if let value = try pattern("rank_pattern", stored(name)) {
                guard let rank = value.integer, Self.ranks.contains(rank) else { throw refuse("rank_pattern") }
                adapters.ranks[name] = rank
            }
            if let value = try pattern("alpha_pattern", stored(name)) {
                guard let alpha = value.double, alpha.isFinite else { throw refuse("alpha_pattern") }
                adapters.alphas[name] = alpha
            }
        }
        return adapters
    }

    private var isAllLinear: Bool { members["target_modules"]?.string?.lowercased() == "all-linear" }

    /// The same rules as PEFT's `check_target_module_exists`.
    private func isTarget(_ module: String, _ usual: [String]) throws(CheckpointError) -> Bool {
        if !Self.isEmpty(members["exclude_modules"]), try names(module, in: "exclude_modules") { return false }
        if isAllLinear {
            guard Self.isEmpty(members["layers_to_transform"]) else { throw refuse("layers_to_transform") }
            return true
        }
        if Self.isEmpty(members["target_modules"]), members["target_modules"]?.array == nil {
            return usual.contains { module.hasSuffix(".\($0)") }
        }
        guard try names(module, in: "target_modules") else { return false }
        return try isInLayer(module)
    }

    /// Whether a member names a module: a list holds suffixes of names, a string is a regular expression for whole names.
    private func names(_ module: String, in key: String) throws(CheckpointError) -> Bool {
        if let expression = members[key]?.string { return try matches(expression, module, key) }
        guard let all = members[key]?.array else { throw refuse(key) }
        for element in all {
            guard let name = element.string else { throw refuse(key) }
            if module == name || module.hasSuffix(".\(name)") { return true }
        }
        return false
    }

    private func isInLayer(_ module: String) throws(CheckpointError) -> Bool {
        guard !Self.isEmpty(members["layers_to_transform"]) else {
            guard Self.isEmpty(members["layers_pattern"]) else { throw refuse("layers_pattern") }
            return true
        }
        guard members["target_modules"]?.string == nil else { throw refuse("layers_to_transform") }
        let layers = members["layers_to_transform"]?.array ?? [members["layers_to_transform"] ?? .null]
        guard layers.allSatisfy({ $0.integer != nil }) else { throw refuse("layers_to_transform") }
        let patterns =
            Self.isEmpty(members["layers_pattern"]) ? [] : members["layers_pattern"]?.array ?? [members["layers_pattern"] ?? .null]
        let expressions = try patterns.map { pattern throws(CheckpointError) in
            guard let pattern = pattern.string else { throw refuse("layers_pattern") }
            return #"(?:|.*?\.)"# + pattern + #"\.(\d+)\..*"#
        }
        for expression in patterns.isEmpty ? [#".*?\.[^.]*\.(\d+)\..*"#] : expressions {
            guard let match = try match(expression, module, "layers_pattern") else { continue }
            return layers.contains { $0.integer == match.output.last?.substring.flatMap { Int($0) } }
        }
        return false
    }

    /// The value of the pattern that a module's name ends with. If several patterns match, PEFT takes the first in the file; a parsed
    /// object has no order, so several different values are an error.
    private func pattern(_ key: String, _ module: String) throws(CheckpointError) -> JSON? {
        guard !Self.isEmpty(members[key]) else { return nil }
        guard let patterns = members[key]?.object else { throw refuse(key) }
        var found: JSON?
        for (pattern, value) in patterns where try matches(#"(?:.*\.)?(?:"# + pattern + ")", module, key) {
            guard found == nil || found == value else { throw refuse(key, "has several values for \(module)") }
            found = value
        }
        return found
    }

    private func matches(_ expression: String, _ text: String, _ key: String) throws(CheckpointError) -> Bool {
        try match(expression, text, key) != nil
    }

    private func match(_ expression: String, _ text: String, _ key: String) throws(CheckpointError) -> Regex<AnyRegexOutput>.Match? {
        do { return try Regex(expression).wholeMatch(in: text) } catch {
            throw refuse(key, "has an invalid regular expression: \(expression)")
        }
    }
}

extension JSON {
    fileprivate var names: String { array.map { $0.map { $0.string ?? $0.text() }.joined(separator: ", ") } ?? string ?? text() }
}
