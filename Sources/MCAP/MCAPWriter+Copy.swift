extension MCAPWriter {
    /// Adds all messages and metadata of another file, with their channels, schemas and times.
    /// - Parameters:
    ///   - reader: at the beginning of its file.
    ///   - refused: called with the reason of everything that is passed over.
    /// - Returns: how the other file ends.
    /// - Throws: `FileError`; `MCAPError` where this file is full.
    public func add(_ reader: inout MCAPReader, refused: (MCAPError) -> Void) throws -> MCAPReader.End? {
        var channels: [UInt16: UInt16] = [:], names: Set<String> = []
        while true {
            let result = reader.next()
            for (name, values) in reader.metadata.sorted(by: { $0.key < $1.key }) where names.insert(name).inserted {
                try add(metadata: values, name: name)
            }
            switch result {
            case nil: return reader.end
            case .failure(let error)?: refused(error)
            case .success(let message)?:
                let id: UInt16
                if let known = channels[message.channel.id] {
                    id = known
                } else {
                    let channel = message.channel
                    id = try addChannel(
                        topic: channel.topic, encoding: channel.encoding, schema: channel.schema, metadata: channel.metadata)
                    channels[channel.id] = id
                }
                try add(
                    message.data, to: id, sequence: message.sequence, logTime: message.logTime, publishTime: message.publishTime)
            }
        }
    }
}
