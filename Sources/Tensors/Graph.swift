/// A composition of operators, recorded once and replayed every step.
///
///     let graph = Graph(parameters: store)
///     let x = graph.input([8, 3])
///     let y = graph.linear(x, weight: graph.parameter("w"), bias: graph.parameter("b"))
///     let loss = graph.meanSquaredError(y, graph.input([8, 1]))
///     graph.forward()
///     graph.backward(from: loss)      // fills graph.gradients
///
/// Over a store that only plans, recording counts the memory and allocates none; such a graph cannot be replayed.
/// Recording allocates all memory; a replay allocates nothing. A graph has one owner: it is not `Sendable`.
public final class Graph<S: Scalar> {
    public let parameters: ParameterStore<S>
    /// d loss / d parameter after `backward`, for the parameters that learn, in the order of `parameters.layout`.
    public let gradients: ParameterStore<S>
    /// The threads that replay the graph.
    public let team: Team
    /// Whether the graph only counts the memory that it would allocate.
    let isPlan: Bool
    let scratch: Scratch<S>

    private var operators: [any Operator<S>] = []
    private var parameterTensors: [String: Tensor<S>] = [:]
    private var plans: [Plan<S>] = []
    private var plan: Plan<S>?
    private var direction = Direction.forward
    /// Operators of each part that is recomputed before its backward pass.
    private var recomputed: [Range<Int>] = []
    /// Whether the shared memory still holds the values of the last of these parts.
    private var isIntact = false
    /// The memory shared by parts, recomputed or not.
    var sharedMemory: SharedMemory<S>?
    /// The shared memory while such a part is being recorded, else nil.
    var shared: SharedMemory<S>?
    private var ownCount = 0

    /// An empty graph over a parameter store.
    ///
    /// - Parameters:
    ///   - parameters: the parameters' values; the graph reads and keeps this store.
    ///   - learning: which parameters get gradients; the others cost no gradient arithmetic and no gradient memory.
    ///   - team: the threads that replay the graph.
    public init(
        parameters: ParameterStore<S>, learning isLearning: (Parameter) -> Bool = { _ in true }, team: Team = .solo
    ) {
        self.parameters = parameters
        self.team = team
        isPlan = parameters.isPlan
        scratch = Scratch(isPlan: isPlan)
        let learned = ParameterLayout(parameters.layout.parameters.filter(isLearning))
        gradients = isPlan ? ParameterStore(planning: learned) : ParameterStore(learned)
    }

    /// An empty graph over the same parameters as another: both write the gradients of the parameters that learn to the same memory, so
    /// that compositions of several sizes learn with one optimiser.
    public init(sharing other: Graph) {
        parameters = other.parameters
        team = other.team
        isPlan = other.isPlan
        scratch = other.scratch
        gradients = other.gradients
    }

    /// A graph for inference: no parameter gets a gradient.
    public static func predicting(parameters: ParameterStore<S>, team: Team = .solo) -> Graph {
        Graph(parameters: parameters, learning: { _ in false }, team: team)
    }

    // MARK: Recording

    /// The tensor of a parameter of the store, by name, which must be in the store's layout.
    public func parameter(_ name: String) -> Tensor<S> {
        if let tensor = parameterTensors[name] { return tensor }
        guard let parameter = parameters.layout[name] else { preconditionFailure("no parameter is called \(name)") }
        let gradient = gradients.layout[name].map { gradients[$0.name] }
        let tensor = Tensor(shape: parameter.shape, storage: Storage(values: parameters[name], gradient: gradient))
        parameterTensors[name] = tensor
        return tensor
    }

    /// An input tensor that the caller fills between replays; zero until set.
    ///
    /// - Parameters:
    ///   - shape: its shape.
    ///   - needsGradient: whether `backward` computes its gradient.
    ///   - extent: the extent of its rows, if their number varies.
    public func input(_ shape: [Int], needsGradient: Bool = false, along extent: Extent? = nil) -> Tensor<S> {
        Tensor(shape: shape, storage: own(shape.reduce(1, *), needsGradient, extent))
    }

    /// `count` integers that the caller fills between replays; zero until set.
    public func indices(_ count: Int) -> Indices { Indices(Array(repeating: 0, count: count)) }
    /// Integers with these initial values.
    public func indices(_ numbers: [Int]) -> Indices { Indices(numbers) }
    /// Integers along an extent, zero until set: the first `extent.count` are in use.
    public func indices(along extent: Extent) -> Indices { Indices(Array(repeating: 0, count: extent.capacity), extent: extent) }

    /// The output tensor of an operator whose inputs have a fixed number of rows.
    public func output(_ shape: [Int], of inputs: [Input<S>]) -> Tensor<S> {
        precondition(inputs.allSatisfy { $0.tensor.extent == nil }, "this operator does not work on rows whose number varies")
        return output(shape, of: inputs, along: nil)
    }

    /// The output tensor of an operator; `extent` gives the rows in use, nil means all. It has a gradient if an input has one.
    public func output(_ shape: [Int], of inputs: [Input<S>], along extent: Extent?) -> Tensor<S> {
        Tensor(shape: shape, storage: memory(shape.reduce(1, *), needsGradient: inputs.contains { $0.gradient != nil }, along: extent))
    }

    /// Memory that an operator keeps from forward to backward.
    func memory(_ count: Int, needsGradient: Bool = false, along extent: Extent? = nil) -> Storage<S> {
        shared?.storage(count: count, needsGradient: needsGradient, extent: extent, isPlan: isPlan) ?? own(count, needsGradient, extent)
    }

    private func own(_ count: Int, _ needsGradient: Bool, _ extent: Extent?) -> Storage<S> {
        ownCount += count * (needsGradient ? 2 : 1)
        return Storage(count: count, needsGradient: needsGradient, extent: extent, isPlan: isPlan)
    }

    /// The count of numbers in the graph's memory besides parameters and their gradients: activations and their gradients.
    public var activationCount: Int { ownCount + (sharedMemory?.count ?? 0) + scratch.count }

    /// The number of steps of the last backward pass: operators differentiated or recomputed, gradients set to zero.
    public var backwardSteps: Int { plan?.steps.count ?? 0 }

    var operatorCount: Int { operators.count }
    func noteRecomputed(_ part: Range<Int>) { recomputed.append(part) }

    /// Appends an operator and returns its first output.
    @discardableResult
    public func record(_ operation: some Operator<S>) -> Tensor<S> {
        operators.append(operation)
        plans = []
        plan = nil
        return operation.outputs[0]
    }

    // MARK: Replaying

    /// Computes all tensors from the inputs and parameters.
    public func forward() {
        precondition(!isPlan, "a plan cannot be replayed")
        direction = .forward
        team.run(self)
        isIntact = true
    }

    /// Computes the gradients of a scalar, after `forward`.
    ///
    /// - Parameters:
    ///   - loss: a tensor of one number.
    ///   - accumulating: adds to the parameters' gradients of earlier calls (several small batches, one step) instead of replacing them.
    public func backward(from loss: Tensor<S>, accumulating: Bool = false) {
        precondition(loss.count == 1, "a loss is one number, not \(loss.shape); seed the gradient of other tensors")
        loss.gradient[0] = S(1)
        if plan?.fits(loss, accumulating) != true { adopt([loss], accumulating) }
        goBackward()
    }

    /// Computes the gradients of the scalar product ⟨outputs, their gradients⟩; the caller writes the outputs' gradients before each call.
    public func backward(seeded outputs: [Tensor<S>], accumulating: Bool = false) {
        if plan?.fits(outputs, accumulating) != true { adopt(outputs, accumulating) }
        goBackward()
    }

    private func goBackward() {
        direction = .backward
        team.run(self)
        isIntact = false
    }

    private func adopt(_ seeds: [Tensor<S>], _ accumulating: Bool) {
        let chosen =
            plans.first { $0.fits(seeds, accumulating) }
            ?? Plan(
                operators, seeds, learned: gradients.layout.parameters.map { parameter($0.name).storage }, recomputed: recomputed,
                accumulating: accumulating)
        if !plans.contains(where: { $0 === chosen }) { plans.append(chosen) }
        chosen.adopt()
        plan = chosen
    }
}

extension Graph: TeamWork {
    private enum Direction { case forward, backward }

    public var rounds: Int {
        switch direction {
        case .forward: operators.count
        case .backward: plan?.steps.count ?? 0
        }
    }

    public func work(_ share: Share, round: Int) {
        switch direction {
        case .forward:
            operators[round].forward(share)
        case .backward:
            switch plan?.steps[round] {
            case .zero(let gradient, let count):
                let part = share.of(count, multiple: 16, grain: 16_384)
                S.clear(gradient + part.lowerBound, count: part.count)
            case .compute(let operation, let isNewest):
                if !(isNewest && isIntact) { operation.forward(share) }
            case .run(let operation):
                operation.backward(share)
            case nil:
                break
            }
        }
    }
}
