import Configuration
import Files
import Memory
import Model
import Pipeline
import Schema
import Statistics

/// Recalls the labels that were given to similar moments, from the first one on, while the model is still learning them.
///
/// Moments and labels come in one order, so equal streams recall the same. Live, what was named is kept in a file beside the checkpoint and
/// known again after a restart; a replay in lockstep begins with nothing and is given all of its labels again.
struct LabelRecall {
    private(set) var memory: LabelMemory
    /// Nil: nothing is stored.
    private let file: LabelFile?
    /// The newest order that was followed: the learner sends its newest answer again to each new subscriber.
    private var order: LabelFile.Order = (0, 0)
    private var lastStored: Instant?
    private var isChanged = false
    /// Why what was stored before cannot be used; nil where it can.
    private(set) var problem: String?

    private static let name = "labels.memory"
    /// The time between two writes.
    private static let interval = Duration.seconds(2)

    /// - Returns: nil where no labels are recalled.
    init?(_ settings: GraphSettings) {
        guard settings.fuse.recalledLabels > 0 else { return nil }
        let capacity = settings.fuse.recalledLabels, directory = settings.mode == .live ? settings.learn.directory : ""
        memory = LabelMemory(capacity: capacity)
        file = directory.isEmpty ? nil : LabelFile(path: "\(directory)/\(Self.name)")
        do {
            if let (stored, order) = try file?.read(capacity: capacity) { (memory, self.order) = (stored, order) }
        } catch {
            problem = "\(file?.path ?? ""): \(error); what was named is lost"
        }
    }

    /// What is recalled for a moment.
    func recall(_ input: MomentInput) -> LabelMemory.Recall {
        var sketches: [String: SenseSketch] = [:]
        for (name, sense) in input.senses where sense.validity > 0 {
            sketches[name] = SenseSketch(rows: sense.rows, columns: sense.columns, values: sense.values)
        }
        return memory.recall(sketches)
    }

    /// Learns a label of a moment.
    /// - Parameters:
    ///   - recall: what was recalled for it.
    ///   - model: the model's own probabilities of it.
    mutating func learn(_ recall: LabelMemory.Recall, model: [Float], label: Int, of moment: Moment) {
        memory.learn(recall, model: model, label: label, source: moment.session, moment: moment.id)
        isChanged = true
    }

    /// Forgets what the learner was ordered to forget.
    mutating func follow(_ answer: OrderAnswer) {
        let place = (answer.stamp.epoch, answer.stamp.sequence)
        guard answer.accepted, place > order else { return }
        switch answer.order.order {
        case .forgetSource(let session)?, .resetSession(let session)?: memory.forget(source: session)
        case .resetAll?: memory.forget(source: nil)
        default: return
        }
        order = place
        (isChanged, lastStored) = (true, nil)
    }

    /// Stores what was named, where that has changed and some time has passed.
    mutating func store(at now: Instant) {
        guard isChanged, lastStored.map({ now - $0 >= Self.interval }) ?? true else { return }
        if file?.write(memory, order: order) ?? true { (isChanged, lastStored) = (false, now) }
    }

    /// Stores what was named, at an orderly end.
    mutating func finish() {
        if isChanged { file?.writeLast(memory, order: order) }
        isChanged = false
    }

    /// Writes what was named to a file of another run.
    /// - Throws: `FileError`.
    func write(to path: String) throws {
        let file = LabelFile(path: path)
        file.writeLast(memory, order: order)
        if let failure = file.takeFailure() { throw FileError(path, .cannotWrite(failure)) }
    }

    /// Why storing failed since the last call; nil where it did not.
    func takeFailure() -> String? { file?.takeFailure() }
}
