import Configuration
import Extract
import Ingest
import Signals
import Wiring

/// The parts of a whole configuration that stages with few sections decode from the same file.
extension IngestSettings {
    package init(_ settings: GraphSettings) {
        self.init()
        (mode, endpoints, messaging, lockstep) = (settings.mode, settings.endpoints, settings.messaging, settings.lockstep)
        (cut, coordinates, fuse, journal) = (settings.cut, settings.coordinates, settings.fuse, settings.journal)
        privacy = settings.privacy
        signals = SectionNames(Signals.modalities.map(\.key))
        model = ModelSenses(settings.model.senses.map(\.name))
    }
}

extension ExtractSettings {
    package init(_ settings: GraphSettings) {
        self.init()
        (mode, endpoints, messaging, lockstep) = (settings.mode, settings.endpoints, settings.messaging, settings.lockstep)
        (signals, fuse) = (settings.signals, settings.fuse)
        model = ModelSenses(settings.model.senses.map(\.name))
    }
}
