import Layers
import Tensors

/// The roles of a trunk's parameters, gathered from its layers.
struct RoleTable {
    private(set) var roles: [String: ParameterRole] = [:]

    mutating func add(_ parameters: [Parameter], _ role: ParameterRole) {
        for parameter in parameters { roles[parameter.name] = role }
    }

    /// Adds a block: of its projections, matrices are weights and vectors biases.
    mutating func add(block: Int, norms: [Parameter], projections: [Parameter]) {
        add(norms, .norm(block: block))
        for parameter in projections {
            let plain: ParameterRole = parameter.shape.count == 2 ? .projection(block: block) : .bias(block: block)
            roles[parameter.name] = Adapters.contains(parameter) ? .adapter : plain
        }
    }
}

extension [any Layer] {
    /// The parameters of all layers, in order.
    var parameters: [Parameter] { flatMap(\.parameters) }
}
