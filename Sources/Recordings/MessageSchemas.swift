import Foundation
import MCAP
import SwiftProtobuf

/// The descriptions of messages that recordings embed, so that other programs can read them.
struct MessageSchemas {
    private var files: [String: Google_Protobuf_FileDescriptorProto] = [:]
    /// The name of the file that declares a message, by the message's full name.
    private var places: [String: String] = [:]

    init() {
        guard let data = Data(base64Encoded: descriptorSet, options: .ignoreUnknownCharacters),
            let set = try? Google_Protobuf_FileDescriptorSet(serializedBytes: data)
        else { preconditionFailure("schemas/generate writes the descriptions of messages") }
        for file in set.file {
            files[file.name] = file
            for message in file.messageType { places["\(file.package).\(message.name)"] = file.name }
        }
    }

    /// The schema of a message: a FileDescriptorSet of its file and those that it imports, each after its own imports.
    /// Nil for a message that is not described.
    subscript(type: any SwiftProtobuf.Message.Type) -> MCAPSchema? {
        guard let place = places[type.protoMessageName] else { return nil }
        var set = Google_Protobuf_FileDescriptorSet()
        var added: Set<String> = []
        func add(_ name: String) {
            guard added.insert(name).inserted, let file = files[name] else { return }
            for dependency in file.dependency { add(dependency) }
            set.file.append(file)
        }
        add(place)
        guard let data: [UInt8] = try? set.serializedBytes() else { return nil }  // what was decoded can be encoded
        return MCAPSchema(name: type.protoMessageName, encoding: "protobuf", data: data)
    }
}
