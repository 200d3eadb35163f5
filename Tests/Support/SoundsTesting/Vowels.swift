import Foundation

/// Two seconds of vowels whose pitch and formants move, with silence from 0.8 to 1.3 s.
public func vowels() -> [Float] {
    (0..<32_000).map { n in
        let t = Double(n) / 16_000, turn = 2 * Double.pi
        if t > 0.8, t < 1.3 { return 0 }
        let phase = turn * (130 * t - 30 / (turn * 1.3) * cos(turn * 1.3 * t)), pitch = 130 + 30 * sin(turn * 1.3 * t)
        let formants = [(500 + 250 * sin(turn * 3 * t), 150.0, 1.0), (1500 + 600 * sin(turn * 2 * t + 1), 200, 0.5), (2600, 300, 0.2)]
        var sum = 0.0
        for harmonic in 1..<30 {
            var level = 0.02
            for (centre, width, height) in formants { level += height * exp(-pow((Double(harmonic) * pitch - centre) / width, 2)) }
            sum += level * sin(Double(harmonic) * phase)
        }
        return Float(sum * abs(sin(turn * 2 * t)) * 0.1)
    }
}
