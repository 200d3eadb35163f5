import Foundation
import Privacy
import Testing

struct PrivacyAccountantTests {
    private func epsilon(_ q: Double, _ sigma: Double, _ steps: UInt64, _ delta: Double = 1e-5) throws -> Double {
        var accountant = PrivacyAccountant()
        accountant.add(try SampledGaussian(samplingRate: q, noise: sigma), steps: steps)
        return try accountant.spent(delta: delta).epsilon
    }

    @Test(arguments: [
        (0.04, 1.5, 2_250, 7.32911117143), (0.01, 1.1, 10_000, 5.631992368548), (0.01, 4.0, 10_000, 1.035490066036),
        (256.0 / 60_000, 1.1, 3_515, 1.281144275964), (1, 4.0, 16, 4.728507),
    ])
    func epsilonIsThatOfOtherAccountants(_ q: Double, _ sigma: Double, _ steps: Int, _ wanted: Double) throws {
        let digits = wanted == 4.728507 ? 1e-6 : 5e-11
        let found = try epsilon(q, sigma, UInt64(steps))
        #expect(abs(found - wanted) < digits, "\(found)")
    }

    /// A(α) by the trapezoidal rule over z, in steps of σ / 200.
    private func integrated(_ q: Double, _ sigma: Double, _ order: Double) -> Double {
        let step = sigma / 200
        let mean = stride(from: -12 * sigma, through: 12 * sigma + order, by: step).reduce(0.0) { sum, z in
            let density = exp(-z * z / (2 * sigma * sigma)) / (sigma * (2 * .pi).squareRoot())
            return sum + step * density * pow(1 - q + q * exp((2 * z - 1) / (2 * sigma * sigma)), order)
        }
        return log(mean) / (order - 1)
    }

    @Test(arguments: [1.1, 1.5, 2, 3.7, 8, 10.9, 12])
    func aDivergenceIsTheIntegralThatDefinesIt(_ order: Double) throws {
        for (q, sigma) in [(0.01, 1.0), (0.2, 2.0), (0.6, 1.5)] {
            let found = try SampledGaussian(samplingRate: q, noise: sigma).divergence(order: order)
            #expect(abs(found - integrated(q, sigma, order)) < 1e-9 * max(1, found), "\(q) \(sigma) \(order) \(found)")
        }
    }

    @Test func lessNoiseMoreStepsAndMoreSamplingSpendMore() throws {
        let usual = try epsilon(0.02, 1.2, 500)
        #expect(try epsilon(0.02, 1.1, 500) > usual)
        #expect(try epsilon(0.02, 1.2, 501) > usual)
        #expect(try epsilon(0.03, 1.2, 500) > usual)
        #expect(try epsilon(0.02, 1.2, 500, 1e-6) > usual)
        #expect(try epsilon(1, 1.2, 500) > usual, "a stream in its own order is not sampled")
        #expect(try epsilon(0, 1.2, 500) < 0.5)
    }

    @Test func stepsAddUpAcrossACheckpoint() throws {
        let mechanism = try SampledGaussian(samplingRate: 0.01, noise: 1.1)
        var whole = PrivacyAccountant(), halved = PrivacyAccountant()
        whole.add(mechanism, steps: 1_000)
        halved.add(mechanism, steps: 400)
        halved = try JSONDecoder().decode(PrivacyAccountant.self, from: JSONEncoder().encode(halved))
        halved.add(mechanism, steps: 600)
        #expect(abs(try whole.spent(delta: 1e-5).epsilon - halved.spent(delta: 1e-5).epsilon) < 1e-12)
        #expect(halved.steps == 1_000)
    }

    @Test func aBudgetAllowsStepsUntilTheNextWouldExceedIt() throws {
        let mechanism = try SampledGaussian(samplingRate: 1, noise: 4)
        var accountant = PrivacyAccountant()
        #expect(try accountant.spent(delta: 1e-5).epsilon == 0)
        while try accountant.allows(mechanism, epsilon: 4.8, delta: 1e-5) { accountant.add(mechanism) }
        #expect(accountant.steps == 16)
    }

    @Test func whatIsNoMechanismIsRefused() throws {
        for (q, sigma) in [(-0.1, 1.0), (1.1, 1), (.nan, 1), (0.5, 0), (0.5, -1), (0.5, .nan), (0.5, .infinity)] {
            #expect(throws: PrivacyError.self) { try SampledGaussian(samplingRate: q, noise: sigma) }
        }
        for delta in [0, 1, -1, Double.nan] { #expect(throws: PrivacyError.self) { try PrivacyAccountant().spent(delta: delta) } }
        #expect(throws: (any Error).self) {
            try JSONDecoder().decode(SampledGaussian.self, from: Data(#"{"samplingRate": 2, "noise": 1}"#.utf8))
        }
        #expect(throws: (any Error).self) {
            try JSONDecoder().decode(PrivacyAccountant.self, from: Data(#"{"divergences": [1], "steps": 1}"#.utf8))
        }
    }

    /// Extremes end, with a bound that is not too small.
    @Test func extremesAreAccountedFor() throws {
        for (q, sigma) in [(1e-9, 0.1), (0.999999, 0.3), (0.5, 1e-3), (1e-3, 1e3), (0.5, 1e-150)] {
            let found = try epsilon(q, sigma, .max)
            #expect(found >= 0 && !found.isNaN, "\(q) \(sigma): \(found)")
        }
    }
}
