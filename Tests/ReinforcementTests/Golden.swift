import Foundation

/// What `Tests/Golden/reinforcement.py` wrote.
struct Golden: Decodable {
    struct PPO: Decodable {
        let kind: String
        let clipsValues: Bool
        let told: [[Double]]
        let values, advantages, returns, oldValues, oldLogProbabilities: [Double]
        let taken: Taken
        let logDeviation: [Double]?
        let logProbabilities: [Double]
        let entropy, policy, value, total, divergence: Double
        let toldGradient, valueGradient, deviationGradient: [Double]
    }

    enum Taken: Decodable {
        case choices([Int])
        case controls([[Double]])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let choices = try? container.decode([Int].self) {
                self = .choices(choices)
            } else {
                self = .controls(try container.decode([[Double]].self))
            }
        }
    }

    struct Advantages: Decodable {
        let discount, lambda, last: Double
        let rewards, values, advantages: [Double]
        let done: [Int]
    }

    struct DDPG: Decodable {
        let parameters: [String: Numbers]
        let observations, actions: [[Double]]
        let targets: [Double]
        let criticLoss, actorLoss: Double
        let criticGradient, actorGradient: [String: [Double]]
    }

    /// A vector or a matrix, flat.
    struct Numbers: Decodable {
        let flat: [Double]

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            flat = try (try? container.decode([Double].self)) ?? container.decode([[Double]].self).flatMap { $0 }
        }
    }

    struct Episode: Decodable {
        struct Step: Decodable {
            let observation: [Float]
            let reward: Double
            let terminated, truncated: Bool
        }

        let name: String
        let start, actions: [Double]
        let steps: [Step]
    }

    let ppo: [PPO]
    let advantages: Advantages
    let ddpg: DDPG
    let environments: [Episode]

    static func read() throws -> Golden {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: tests.appending(path: "Golden/reinforcement.json")))
    }
}
