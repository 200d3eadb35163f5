import Statistics

/// Two objects side by side, of different colours and shapes, of which the sound indicates one.
///
/// Only the sound indicates which object is meant, only the words what is asked about it, and only the picture the answer. If nothing is
/// asked, both objects are equal and the words state the name and the place of one: the name can be predicted from the picture, the
/// place from the sound.
public struct Scene: Sendable, Equatable {
    /// From left to right.
    public let things: [Thing]
    /// The index in `things` of the object that is meant.
    public let meant: Int
    /// The attribute that is asked for; nil if the words state the object's name.
    public let asked: Attribute?

    /// The answer as an index into `Simulator.answers`; nil if nothing is asked.
    public var answer: Int? { asked.map(things[meant].value(of:)) }

    /// A scene drawn uniformly from the colours and shapes of `world`; two of three ask a question.
    init(in world: World, random: inout RandomSource) {
        let colours = random.sample(2, below: world.colours).map { Colour.allCases[$0] }
        let shapes = random.sample(2, below: world.shapes).map { Shape.allCases[$0] }
        let pair = zip(colours, shapes).map { Thing(colour: $0, shape: $1) }
        meant = random.uniform(below: pair.count)
        asked = [.colour, .shape, nil][random.uniform(below: 3)]
        things = asked == nil ? [pair[0], pair[0]] : pair
    }
}

/// An object on the table.
public struct Thing: Sendable, Equatable {
    public let colour: Colour
    public let shape: Shape

    /// The value of an attribute as an index into `Simulator.answers`: colours come first.
    public func value(of attribute: Attribute) -> Int {
        switch attribute {
        case .colour: colour.rawValue
        case .shape: Colour.allCases.count + shape.rawValue
        }
    }
}

/// An attribute that can be asked for.
public enum Attribute: Sendable, CaseIterable {
    case colour, shape
}

/// The colour of an object; yellow occurs only after `Simulator.Configuration.newObjects`.
public enum Colour: Int, Sendable, CaseIterable {
    case red, green, blue, yellow

    /// Red, green and blue, 0…255.
    var light: SIMD3<Float> {
        switch self {
        case .red: [225, 50, 40]
        case .green: [45, 185, 70]
        case .blue: [50, 95, 230]
        case .yellow: [235, 205, 45]
        }
    }
}

/// The shape of an object; the ring occurs only after `Simulator.Configuration.newObjects`.
public enum Shape: Int, Sendable, CaseIterable {
    case ball, bar, post, ring

    /// Whether a point lies inside the shape, which has radius 1 and is centred at zero; y points down.
    func contains(_ x: Float, _ y: Float) -> Bool {
        switch self {
        case .ball: x * x + y * y <= 0.8
        case .bar: abs(x) <= 1 && abs(y) <= 0.35
        case .post: abs(x) <= 0.35 && abs(y) <= 1
        case .ring: (0.36...1).contains(x * x + y * y)
        }
    }
}
