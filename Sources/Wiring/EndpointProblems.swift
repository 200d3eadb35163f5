import Foundation
import Messaging
import Statistics

extension StageSettings {
    /// The endpoints that are invalid on any machine, by key: malformed, shared by two stages, or impossible to connect to.
    public var endpointProblems: [SettingsError] {
        var found: [SettingsError] = []
        for (key, list) in endpoints.lists {
            if !(1...Self.mostEndpoints).contains(list.count) {
                found.append(SettingsError("endpoints.\(key)", "\(list.count) endpoints are not within 1…\(Self.mostEndpoints)"))
            }
            found += list.compactMap { Endpoints.malformation(of: $0) }.map { SettingsError("endpoints.\(key)", $0) }
        }
        guard found.isEmpty else { return found }
        return endpoints.lists.compactMap { key, list in unconnectable(key, list).map { SettingsError("endpoints.\(key)", $0) } } + shared
            + exposed
    }

    /// Endpoints that other machines can reach, where nothing is encrypted and everybody may come.
    private var exposed: [SettingsError] {
        guard security.keys.isEmpty else { return [] }
        return endpoints.lists.flatMap { key, list in
            list.filter { text in (try? Endpoint(text)).map { !$0.isOfThisHost } ?? false }.map {
                SettingsError(
                    "endpoints.\(key)",
                    "\($0) leaves this machine, and security.keys names no directory of keys; make keys with 'accrete keys new NAME --role "
                        + "subscriber' and set security.keys, or use 127.0.0.1 or local:NAME")
            }
        }
    }

    private static var mostEndpoints: Int { 16 }

    /// Publishers of this machine use the last of the sensors' endpoints, at the loopback address where it means every address;
    /// subscribers use the first.
    private func unconnectable(_ key: String, _ list: [String]) -> String? {
        let isForPublishers = ["sensors", "acknowledged"].contains(key)
        // local: is connectable
        guard let text = isForPublishers ? list.last : list.first, let endpoint = try? Endpoint(text) else { return nil }
        let reason = (isForPublishers ? endpoint.onThisHost : endpoint).whyNobodyConnects
        return reason.map { "\(text): \($0); \(isForPublishers ? "publishers of this machine use the last" : "subscribers use the first")" }
    }

    /// Endpoints that two stages share, or that one has twice.
    private var shared: [SettingsError] {
        let environment = ProcessInfo.processInfo.environment
        var places: [(key: String, text: String, endpoint: Endpoint)] = []
        var found: [SettingsError] = []
        for (key, list) in endpoints.lists {
            for text in list {
                for modality in key == "extract" ? extracted : [""] {
                    guard let endpoint = try? endpoints.endpoints([text], modality: modality, environment: environment).first else {
                        continue
                    }  // too long for this machine
                    defer { places.append((key, text, endpoint)) }
                    guard let other = places.first(where: { $0.endpoint.clashes(with: endpoint) }) else { continue }
                    let what = other.text == text ? text : "\(text), one place with \(other.text),"
                    let problem =
                        other.key != key
                        ? "\(what) is endpoints.\(other.key)' too"
                        : key == "extract" && other.text == text
                            ? "\(text) is for one extractor; {modality} makes them different" : "\(what) is listed twice"
                    if !found.contains(where: { $0.problem == problem }) { found.append(SettingsError("endpoints.\(key)", problem)) }
                }
            }
        }
        return found
    }
}
