import ArgumentParser
import Configuration
import Foundation
import Launch
import Schema
import Serving
import Updates

/// `accrete verify`: checks an update offline.
struct VerifyUpdate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check the passport of a saved update of the model, without a running graph.",
        discussion: """
            Save an update with accrete tap model.update/ --count 1 --save DIR. The exit status is 1 where the update is not believed.

            Example: accrete verify DIR --keys updates
            """)

    @Argument(help: "The directory of the saved update.") var update: String
    @Option(help: "The directory of root.pub.") var keys = "updates"
    @Option(help: "A configuration file: the update has to belong to its model and trunk.") var config: String?
    @Flag(help: "Print the passport as a JSON object.") var json = false

    func run() async throws {
        let saved: SavedUpdate, trust: UpdateTrust
        do {
            saved = try SavedUpdate(update)
            let base = try config.map { try StageArguments.load($0, [], as: GraphSettings.self).updateBase }
            trust = try UpdateTrust(UpdateKeys(keys), base: base)
        } catch let failure as StartFailure {
            throw failure
        } catch {
            throw StartFailure("\(error)")
        }
        let verified: VerifiedPassport
        do {
            verified = try saved.verify(trust)
        } catch {
            throw StartFailure("not believed: \(printable(error.description))")
        }
        if json { return print(try verified.passport.jsonString()) }
        let passport = verified.passport
        print("version \(passport.version) of \(passport.topic), signed by '\(printable(verified.certificate.name))', is whole")
        print("  \(saved.frames.reduce(0) { $0 + $1.count }) bytes, learned from moments up to \(passport.momentWatermark)")
        print("  \(printable(passport.reason)); believed until \(Date(timeIntervalSince1970: Double(passport.expires) / 1e9))")
    }
}
