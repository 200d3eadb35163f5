/// A function of one number and its derivative, written once for numbers, lanes and dual numbers.
protocol Formula {
    static func value<F: Field>(_ x: F) -> F
    /// dy/dx from x and y = value(x).
    static func derivative<F: Field>(_ x: F, _ y: F) -> F
}

/// y = x / (1 + e^(−2u)), u = √(2/π) (x + 0.044715 x³); the same as x/2 · (1 + tanh u).  https://arxiv.org/abs/1606.08415
enum GELU: Formula {
    @inline(__always) private static func gate<F: Field>(_ x: F) -> F {
        let twice = x * (F(1.595_769_121_605_730_8) + F(0.071_354_816_272_600_25) * x * x)
        // An infinite exponential would be right for numbers, but its tangent is not one.
        return F(1) / (F(1) + F.exp(F.minimum(F(0) - twice, F(60))))
    }

    @inline(__always) static func value<F: Field>(_ x: F) -> F { x * gate(x) }

    @inline(__always) static func derivative<F: Field>(_ x: F, _ y: F) -> F {
        let s = gate(x)
        return s + x * s * (F(1) - s) * (F(1.595_769_121_605_730_8) + F(0.214_064_448_817_800_76) * x * x)
    }
}

/// y = max(x, 0); its derivative at 0 is 0.
enum ReLU: Formula {
    @inline(__always) static func value<F: Field>(_ x: F) -> F { F.select(x, above: F(0), x, F(0)) }
    @inline(__always) static func derivative<F: Field>(_ x: F, _ y: F) -> F { F.select(x, above: F(0), F(1), F(0)) }
}

enum HyperbolicTangent: Formula {
    @inline(__always) static func value<F: Field>(_ x: F) -> F { F.tanh(x) }
    @inline(__always) static func derivative<F: Field>(_ x: F, _ y: F) -> F { F(1) - y * y }
}

enum Sigmoid: Formula {
    @inline(__always) static func value<F: Field>(_ x: F) -> F { F(1) / (F(1) + F.exp(F(0) - x)) }
    @inline(__always) static func derivative<F: Field>(_ x: F, _ y: F) -> F { y * (F(1) - y) }
}

/// y = x / (1 + e^−x)  https://arxiv.org/abs/1702.03118
enum SiLU: Formula {
    @inline(__always) private static func gate<F: Field>(_ x: F) -> F {
        // An infinite exponential would be right for numbers, but its tangent is not one.
        F(1) / (F(1) + F.exp(F.minimum(F(0) - x, F(60))))
    }

    @inline(__always) static func value<F: Field>(_ x: F) -> F { x * gate(x) }

    @inline(__always) static func derivative<F: Field>(_ x: F, _ y: F) -> F {
        let s = gate(x)
        return s + x * s * (F(1) - s)
    }
}

enum Exponential: Formula {
    @inline(__always) static func value<F: Field>(_ x: F) -> F { F.exp(x) }
    @inline(__always) static func derivative<F: Field>(_ x: F, _ y: F) -> F { y }
}

enum Logarithm: Formula {
    @inline(__always) static func value<F: Field>(_ x: F) -> F { F.log(x) }
    @inline(__always) static func derivative<F: Field>(_ x: F, _ y: F) -> F { F(1) / x }
}

enum Square: Formula {
    @inline(__always) static func value<F: Field>(_ x: F) -> F { x * x }
    @inline(__always) static func derivative<F: Field>(_ x: F, _ y: F) -> F { x + x }
}

/// y = ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|)
enum Softplus: Formula {
    @inline(__always) static func value<F: Field>(_ x: F) -> F {
        let magnitude = F.select(x, above: F(0), x, F(0) - x)
        return ReLU.value(x) + F.log(F(1) + F.exp(F(0) - magnitude))
    }

    @inline(__always) static func derivative<F: Field>(_ x: F, _ y: F) -> F { Sigmoid.value(x) }
}
