import Statistics

/// The utterances: a question about the object indicated by the sound, or its name and place.
///
///     speaker 0    what colour    a red ball left
///     speaker 1    tell me the colour    look the red ball left
enum TableTalk {
    static let names = (colours: ["red", "green", "blue", "yellow"], shapes: ["ball", "bar", "post", "ring"])
    static let places = ["left", "right"]
    /// Second names, used from `World.hasNewWords` on.
    static let newNames = (colours: ["crimson", "emerald", "azure", "golden"], shapes: ["sphere", "plank", "pole", "hoop"])

    static func utterance(about scene: Scene, in world: World, random: inout RandomSource) -> String {
        let names = world.hasNewWords && random.uniform(below: 2) == 0 ? newNames : names
        let isFirst = world.speaker == 0
        switch scene.asked {
        case .colour: return isFirst ? "what colour" : "tell me the colour"
        case .shape: return isFirst ? "what shape" : "tell me the shape"
        case nil:
            let thing = scene.things[scene.meant]
            let name = "\(names.colours[thing.colour.rawValue]) \(names.shapes[thing.shape.rawValue])"
            return "\(isFirst ? "a" : "look the") \(name) \(places[scene.meant])"
        }
    }
}
