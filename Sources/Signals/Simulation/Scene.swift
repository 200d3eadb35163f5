import Statistics

/// What is in front of the headset: two things side by side, of two colours and two shapes, one of them meant.
///
/// Only the sound tells which thing is meant, only the words tell what is asked of it, and only the picture tells the answer.
/// Where nothing is asked both things are alike and one is named with its place: the picture tells the name, the sound the place.
public struct Scene: Sendable, Equatable {
    /// From left to right.
    public let things: [Thing]
    /// The place of the thing that is meant.
    public let meant: Int
    /// What is asked of it; nil: nothing, its name is told.
    public let asked: Attribute?

    /// Index in `Simulator.answers`; nil where nothing is asked.
    public var answer: Int? { asked.map(things[meant].value(of:)) }

    /// A scene drawn evenly from everything that `world` holds; two of three ask.
    init(in world: World, random: inout RandomSource) {
        let colours = random.sample(2, below: world.colours).map { Colour.allCases[$0] }
        let shapes = random.sample(2, below: world.shapes).map { Shape.allCases[$0] }
        let pair = zip(colours, shapes).map { Thing(colour: $0, shape: $1) }
        meant = random.uniform(below: pair.count)
        asked = [.colour, .shape, nil][random.uniform(below: 3)]
        things = asked == nil ? [pair[0], pair[0]] : pair
    }
}

public struct Thing: Sendable, Equatable {
    public let colour: Colour
    public let shape: Shape

    /// Index in `Simulator.answers`: colours first.
    public func value(of attribute: Attribute) -> Int {
        switch attribute {
        case .colour: colour.rawValue
        case .shape: Colour.allCases.count + shape.rawValue
        }
    }
}

public enum Attribute: Sendable, CaseIterable {
    case colour, shape
}

/// The last one is not there at the start.
public enum Colour: Int, Sendable, CaseIterable {
    case red, green, blue, yellow

    /// Red, green, blue.
    var light: SIMD3<Float> {
        switch self {
        case .red: [225, 50, 40]
        case .green: [45, 185, 70]
        case .blue: [50, 95, 230]
        case .yellow: [235, 205, 45]
        }
    }
}

/// The last one is not there at the start.
public enum Shape: Int, Sendable, CaseIterable {
    case ball, bar, post, ring

    /// Whether the point lies inside the shape of radius 1 around zero; y points down.
    func contains(_ x: Float, _ y: Float) -> Bool {
        switch self {
        case .ball: x * x + y * y <= 0.8
        case .bar: abs(x) <= 1 && abs(y) <= 0.35
        case .post: abs(x) <= 0.35 && abs(y) <= 1
        case .ring: (0.36...1).contains(x * x + y * y)
        }
    }
}
