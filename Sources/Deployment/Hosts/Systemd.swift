/// Units of systemd, a directory for each host.  systemd.exec(5)
enum Systemd: Engine {
    static let name = "systemd"
    /// Where the settings and keys are on every host.
    private static let place = "/etc/accrete"

    static func files(_ plan: HostPlan, executables: String) -> [String: String] {
        Dictionary(
            uniqueKeysWithValues: plan.processes.map { process in
                ("\(process.host)/accrete-\(process.name).service", unit(process, executables))
            })
    }

    private static func unit(_ process: HostPlan.Process, _ executables: String) -> String {
        let command = ["\(executables)/\(process.executable)", "--config", "\(place)/settings.yaml"] + process.arguments
        return """
            [Unit]
            Description=Accrete: \(process.name)
            Wants=network-online.target
            After=network-online.target
            StartLimitIntervalSec=0

            [Service]
            ExecStart=\(command.joined(separator: " "))
            Restart=on-failure
            RestartSec=1
            User=accrete
            UMask=0077
            Environment=XDG_RUNTIME_DIR=/run
            RuntimeDirectory=accrete
            RuntimeDirectoryMode=0700
            RuntimeDirectoryPreserve=yes
            StateDirectory=accrete
            WorkingDirectory=/var/lib/accrete
            NoNewPrivileges=yes
            CapabilityBoundingSet=
            ProtectSystem=strict
            ProtectHome=yes
            PrivateTmp=yes
            PrivateDevices=yes
            ProtectClock=yes
            ProtectHostname=yes
            ProtectKernelLogs=yes
            ProtectKernelModules=yes
            ProtectKernelTunables=yes
            ProtectControlGroups=yes
            ProtectProc=invisible
            LockPersonality=yes
            MemoryDenyWriteExecute=yes
            RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
            RestrictNamespaces=yes
            RestrictRealtime=yes
            RestrictSUIDSGID=yes
            RemoveIPC=yes
            SystemCallArchitectures=native
            SystemCallFilter=@system-service
            SystemCallErrorNumber=EPERM

            [Install]
            WantedBy=multi-user.target

            """
    }

    static func steps(_ plan: HostPlan, directory: String) -> [String] {
        [
            "on every host: useradd --system accrete; install -d -o accrete -m 0700 \(place)",
            "copy \(directory)/settings.yaml and the directory of keys to \(place) of every host, for accrete alone to read",
        ]
            + plan.hosts.map { "copy \(directory)/\($0)/*.service to /etc/systemd/system of \($0)" }
            + ["on every host: systemctl daemon-reload; systemctl enable --now 'accrete-*.service'"]
    }
}
