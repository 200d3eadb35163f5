import Layers
import Tensors

/// The bytes that training a GPT-2 takes, counted before anything is allocated, as the graph and the optimiser allocate them.
///
/// Beside them stand the program, the text's tokens and what the matrix products pack: some tens of megabytes.
public struct TrainingMemory: Sendable, Equatable {
    public let parameters: Int
    public let gradients: Int
    /// The optimiser's.
    public let moments: Int
    /// What a step computes, with its gradients.
    public let activations: Int

    public var total: Int { parameters + gradients + moments + activations }

    /// - Parameters:
    ///   - moments: numbers that the optimiser keeps for each weight that learns.
    ///   - recomputing: whether blocks share their memory.
    ///   - members: of the team that takes the step.
    public init(
        _ configuration: GPT2Configuration, adapters: Adapters? = nil, scope: LearningScope, moments: Int, batch: Int, time: Int,
        recomputing: Bool = false, members: Int = 1
    ) {
        let model = GPT2(configuration, adapters: adapters)
        let learned = model.parameters.filter { scope.learns($0, in: configuration) }.reduce(0) { $0 + $1.count }
        let size = MemoryLayout<Float>.stride
        parameters = model.parameters.reduce(0) { $0 + $1.count } * size
        gradients = learned * size
        self.moments = learned * moments * size
        var sketch = Sketch(configuration, adapters, scope, batch: batch, time: time, members: members)
        sketch.model(recomputing: recomputing)
        activations = sketch.count * size
    }
}

/// Walks through a model in the order in which it is recorded, and counts instead of allocating.
private struct Sketch {
    /// Numbers.
    var count = 0
    private let c: GPT2Configuration
    private let adapters: Adapters?
    private let batch: Int, time: Int, members: Int
    private let learned: Set<String>
    /// Numbers of the memory that blocks share, and of its gradients, by the order of allocation; nil where they share none.
    private var shared: [(values: Int, gradients: Int)]?
    private var next = 0

    init(_ configuration: GPT2Configuration, _ adapters: Adapters?, _ scope: LearningScope, batch: Int, time: Int, members: Int) {
        c = configuration
        self.adapters = adapters
        self.batch = batch
        self.time = time
        self.members = members
        learned = Set(GPT2(c, adapters: adapters).parameters.filter { scope.learns($0, in: configuration) }.map(\.name))
    }

    private var rows: Int { batch * time }

    mutating func model(recomputing: Bool) {
        var needs = embed()
        var slots: [(values: Int, gradients: Int)] = []
        for layer in 0..<c.layers {
            if recomputing { (shared, next) = (slots, 0) }
            needs = block("h.\(layer)", needs)
            if let used = shared {
                (slots, shared) = (used, nil)
                allocate(rows * c.width, needs)
            }
        }
        needs = norm("ln_f", needs)
        if recomputing { needs = sharedLosses(needs, &slots) } else { needs = losses(rows, needs) }
        allocate(1, needs)
    }

    /// Logits, the loss of every row, whether it counts (which no parts share), and the level kept for backward.
    private mutating func losses(_ rows: Int, _ needs: Bool) -> Bool {
        let needs = needs || learned.contains(c.isTied ? "wte.weight" : "lm_head.weight")
        allocate(rows * c.vocabularySize, needs)
        allocate(rows, needs)
        count += rows
        allocate(rows, false)
        return needs
    }

    private mutating func sharedLosses(_ needs: Bool, _ slots: inout [(values: Int, gradients: Int)]) -> Bool {
        var told = needs
        for start in stride(from: 0, to: rows, by: rowsOfLogits) {
            let part = min(rowsOfLogits, rows - start)
            allocate(part * c.width, needs)
            (shared, next) = (slots, 0)
            told = losses(part, needs)
            allocate(1, told)
            if let used = shared { (slots, shared) = (used, nil) }
            allocate(part, told)
        }
        allocate(rows, told)
        allocate(rows, false)
        return told
    }

    private mutating func allocate(_ numbers: Int, _ needsGradient: Bool) {
        guard var slots = shared else { return count += numbers * (needsGradient ? 2 : 1) }
        if next == slots.count { slots.append((0, 0)) }
        // Where a larger buffer takes a smaller one's place, earlier parts hold on to theirs.
        if slots[next].values < numbers {
            count += numbers
            slots[next].values = numbers
        }
        if needsGradient, slots[next].gradients < numbers {
            count += numbers
            slots[next].gradients = numbers
        }
        next += 1
        shared = slots
    }

    private mutating func embed() -> Bool {
        let tokens = learned.contains("wte.weight"), places = learned.contains("wpe.weight")
        allocate(rows * c.width, tokens)
        allocate(time * c.width, places)
        allocate(rows * c.width, tokens || places)
        return tokens || places
    }

    private mutating func norm(_ name: String, _ needs: Bool) -> Bool {
        let needs = needs || learned.contains("\(name).weight") || learned.contains("\(name).bias")
        allocate(rows * c.width, needs)
        allocate(rows, false)
        allocate(rows, false)
        return needs
    }

    private mutating func linear(_ name: String, _ outputs: Int, _ needs: Bool) -> Bool {
        let plain = needs || learned.contains("\(name).weight") || learned.contains("\(name).bias")
        allocate(rows * outputs, plain)
        guard let adapters, adapters.adapts(name) else { return plain }
        let low = needs || learned.contains("\(name).lora_A.weight"), high = low || learned.contains("\(name).lora_B.weight")
        allocate(rows * adapters.rank, low)
        allocate(rows * outputs, high)
        allocate(rows * outputs, plain || high)
        return plain || high
    }

    private mutating func block(_ name: String, _ needs: Bool) -> Bool {
        var read = norm("\(name).ln_1", needs)
        read = linear("\(name).attn.c_attn", 3 * c.width, read)
        allocate(rows * c.width, read)
        allocate(batch * c.heads * time * time, false)
        allocate(read ? members * time * time : 1, false)
        read = linear("\(name).attn.c_proj", c.width, read)
        let attended = needs || read
        allocate(rows * c.width, attended)
        let hidden = c.hidden ?? 4 * c.width
        var thought = norm("\(name).ln_2", attended)
        thought = linear("\(name).mlp.c_fc", hidden, thought)
        allocate(rows * hidden, thought)
        thought = linear("\(name).mlp.c_proj", c.width, thought)
        allocate(rows * c.width, attended || thought)
        return attended || thought
    }
}
