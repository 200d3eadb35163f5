import Layers
import Statistics
import Tensors

/// The bytes that training a GPT-2 takes, computed before anything is allocated, as the graph and the optimiser allocate them.
///
/// The program itself, the text's tokens and the buffers of matrix products are not included: some tens of megabytes.
public struct TrainingMemory: Sendable, Equatable {
    /// Bytes of all parameters.
    public let parameters: Int
    /// Bytes of the gradients of the parameters that learn.
    public let gradients: Int
    /// Bytes of the optimiser's moments.
    public let moments: Int
    /// Bytes of activations and their gradients.
    public let activations: Int

    /// All bytes.
    public var total: Int { [gradients, moments, activations].reduce(parameters) { $0.clampedAdding($1) } }

    /// - Parameters:
    ///   - configuration: the model's shape.
    ///   - adapters: the model's adapters, if any.
    ///   - scope: which parameters learn.
    ///   - moments: numbers that the optimiser stores for each weight that learns.
    ///   - batch: sequences of a forward pass.
    ///   - time: tokens of a sequence.
    ///   - recomputing: whether blocks share their memory.
    ///   - members: threads of the team.
    public init(
        _ configuration: GPT2Configuration, adapters: Adapters? = nil, scope: LearningScope, moments: Int, batch: Int, time: Int,
        recomputing: Bool = false, members: Int = 1
    ) {
        let model = GPT2(configuration, adapters: adapters)
        let all = model.parameters
        let learned = all.filter { scope.learns($0, in: configuration) }.reduce(0) { $0.clampedAdding($1.count) }
        let size = MemoryLayout<Float>.stride
        parameters = all.reduce(0) { $0.clampedAdding($1.count) }.clampedMultiplying(by: size)
        gradients = learned.clampedMultiplying(by: size)
        self.moments = gradients.clampedMultiplying(by: moments)
        var sketch = Sketch(configuration, adapters, scope, batch: batch, time: time, members: members)
        sketch.model(recomputing: recomputing)
        activations = sketch.count.clampedMultiplying(by: size)
    }
}

/// Goes through a model in the order in which it is recorded, and counts instead of allocating.
private struct Sketch {
    /// Numbers counted so far.
    var count = 0
    private let c: GPT2Configuration
    private let adapters: Adapters?
    private let batch: Int, time: Int, members: Int
    private let learned: Set<String>
    /// Sizes of the memory that blocks share, and of its gradients, in the order of allocation; nil outside a shared part.
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

    private var rows: Int { batch.clampedMultiplying(by: time) }

    mutating func model(recomputing: Bool) {
        var needs = embed()
        var slots: [(values: Int, gradients: Int)] = []
        for layer in 0..<c.layers {
            if recomputing { (shared, next) = (slots, 0) }
            needs = block("h.\(layer)", needs)
            if let used = shared {
                (slots, shared) = (used, nil)
                allocate(rows.clampedMultiplying(by: c.width), needs)
            }
        }
        needs = norm("ln_f", needs)
        if recomputing { needs = sharedLosses(needs, &slots) } else { needs = losses(rows, needs) }
        allocate(1, needs)
    }

    /// Logits, the loss of every row, whether it counts (not in shared memory), and the level kept for backward.
    private mutating func losses(_ rows: Int, _ needs: Bool) -> Bool {
        let needs = needs || learned.contains(c.isTied ? "wte.weight" : "lm_head.weight")
        allocate(rows.clampedMultiplying(by: c.vocabularySize), needs)
        allocate(rows, needs)
        count = count.clampedAdding(rows)
        allocate(rows, false)
        return needs
    }

    private mutating func sharedLosses(_ needs: Bool, _ slots: inout [(values: Int, gradients: Int)]) -> Bool {
        var lossNeeds = needs
        func add(_ part: Int) {
            allocate(part.clampedMultiplying(by: c.width), needs)
            (shared, next) = (slots, 0)
            lossNeeds = losses(part, needs)
            allocate(1, lossNeeds)
            if let used = shared { (slots, shared) = (used, nil) }
            allocate(part, lossNeeds)
        }
        let (whole, rest) = rows.quotientAndRemainder(dividingBy: rowsOfLogits)
        if whole > 0 { add(rowsOfLogits) }
        if whole > 1 {
            // The first part has allocated the shared memory; each of the others takes the same amount besides.
            let before = count
            add(rowsOfLogits)
            count = count.clampedAdding((whole - 2).clampedMultiplying(by: count - before))
        }
        if rest > 0 { add(rest) }
        allocate(rows, lossNeeds)
        allocate(rows, false)
        return lossNeeds
    }

    private mutating func allocate(_ numbers: Int, _ needsGradient: Bool) {
        guard var slots = shared else { return count = count.clampedAdding(numbers.clampedMultiplying(by: needsGradient ? 2 : 1)) }
        if next == slots.count { slots.append((0, 0)) }
        // If a larger buffer replaces a smaller one, earlier parts keep theirs.
        if slots[next].values < numbers {
            count = count.clampedAdding(numbers)
            slots[next].values = numbers
        }
        if needsGradient, slots[next].gradients < numbers {
            count = count.clampedAdding(numbers)
            slots[next].gradients = numbers
        }
        next += 1
        shared = slots
    }

    private mutating func embed() -> Bool {
        let tokens = learned.contains("wte.weight"), places = learned.contains("wpe.weight")
        allocate(rows.clampedMultiplying(by: c.width), tokens)
        allocate(time.clampedMultiplying(by: c.width), places)
        allocate(rows.clampedMultiplying(by: c.width), tokens || places)
        return tokens || places
    }

    private mutating func norm(_ name: String, _ needs: Bool) -> Bool {
        let needs = needs || learned.contains("\(name).weight") || learned.contains("\(name).bias")
        allocate(rows.clampedMultiplying(by: c.width), needs)
        allocate(rows, false)
        allocate(rows, false)
        return needs
    }

    private mutating func linear(_ name: String, _ outputs: Int, _ needs: Bool) -> Bool {
        let plain = needs || learned.contains("\(name).weight") || learned.contains("\(name).bias")
        allocate(rows.clampedMultiplying(by: outputs), plain)
        guard let adapters, adapters.adapts(name) else { return plain }
        let low = needs || learned.contains("\(name).lora_A.weight"), high = low || learned.contains("\(name).lora_B.weight")
        allocate(rows.clampedMultiplying(by: adapters.rank(of: name)), low)
        allocate(rows.clampedMultiplying(by: outputs), high)
        allocate(rows.clampedMultiplying(by: outputs), plain || high)
        return plain || high
    }

    private mutating func block(_ name: String, _ needs: Bool) -> Bool {
        var read = norm("\(name).ln_1", needs)
        read = linear("\(name).attn.c_attn", 3 * c.width, read)
        allocate(rows.clampedMultiplying(by: c.width), read)
        allocate(batch.clampedMultiplying(by: c.heads).clampedMultiplying(by: time).clampedMultiplying(by: time), false)
        allocate(read ? members.clampedMultiplying(by: time).clampedMultiplying(by: time) : 1, false)
        read = linear("\(name).attn.c_proj", c.width, read)
        let attended = needs || read
        allocate(rows.clampedMultiplying(by: c.width), attended)
        let hidden = c.hidden ?? 4 * c.width
        var inner = norm("\(name).ln_2", attended)
        inner = linear("\(name).mlp.c_fc", hidden, inner)
        allocate(rows.clampedMultiplying(by: hidden), inner)
        inner = linear("\(name).mlp.c_proj", c.width, inner)
        allocate(rows.clampedMultiplying(by: c.width), attended || inner)
        return attended || inner
    }
}
