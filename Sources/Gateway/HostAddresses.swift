import NIOCore
import NIOPosix

/// The addresses at which other hosts reach this one.
public enum HostAddresses {
    /// IPv4 addresses of networks, without loopback; loopback where there is no other.
    public static var reachable: [String] {
        let devices = (try? System.enumerateDevices()) ?? []  // without devices there is still loopback
        let found = devices.compactMap { device -> String? in
            guard case .v4 = device.address, let text = device.address?.ipAddress, !text.hasPrefix("127.") else { return nil }
            return text
        }
        return found.isEmpty ? ["127.0.0.1"] : found
    }
}
