/// Manifests of Kubernetes: a StatefulSet and a Service for each host, whose names are those of the hosts.
///
/// The processes of a host are the containers of its pod, so that they share its sockets. What a stage binds is given on its command line:
/// a pod has no address of its service's name.  https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
enum Kubernetes: Engine {
    static let name = "kubernetes"

    static func files(_ plan: HostPlan, executables: String) -> [String: String] {
        Dictionary(uniqueKeysWithValues: plan.hosts.map { ("kubernetes/\($0).yaml", manifests(of: $0, plan, executables)) })
    }

    private static func manifests(of host: String, _ plan: HostPlan, _ executables: String) -> String {
        let processes = plan.processes.filter { $0.host == host }
        let ports = processes.flatMap { $0.ports.map { "  - {name: \($0.key), port: \($0.value)}" } }
        return """
            apiVersion: v1
            kind: Service
            metadata:
              name: \(host)
              labels: {app.kubernetes.io/name: accrete}
            spec:
              clusterIP: None
              publishNotReadyAddresses: true
              selector: {accrete-host: \(host)}
              ports:
            \(ports.joined(separator: "\n"))
            ---
            apiVersion: apps/v1
            kind: StatefulSet
            metadata:
              name: \(host)
              labels: {app.kubernetes.io/name: accrete}
            spec:
              serviceName: \(host)
              replicas: 1
              selector:
                matchLabels: {accrete-host: \(host)}
              template:
                metadata:
                  labels: {accrete-host: \(host), app.kubernetes.io/name: accrete}
                spec:
                  terminationGracePeriodSeconds: 30
                  automountServiceAccountToken: false
                  securityContext: {runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
                  containers:
            \(processes.map { container($0, executables) }.joined(separator: "\n"))
                  volumes:
                  - name: settings
                    configMap: {name: accrete-settings}
                  - name: keys
                    secret: {secretName: accrete-keys, defaultMode: 0400}
                  - name: runtime
                    emptyDir: {medium: Memory, sizeLimit: 16Mi}
              volumeClaimTemplates:
              - metadata: {name: state}
                spec:
                  accessModes: [ReadWriteOnce]
                  resources: {requests: {storage: 8Gi}}

            """
    }

    private static func container(_ process: HostPlan.Process, _ executables: String) -> String {
        let bound = process.ports.flatMap { key, port in
            // Who is in the pod uses the first, a publisher the last.
            let both = ["\"tcp://*:\(port)\"", "\"local:\(key)\""], isForPublishers = ["sensors", "acknowledged"].contains(key)
            return ["--set", "'endpoints.\(key)=[\((isForPublishers ? both : both.reversed()).joined(separator: ", "))]'"]
        }
        let arguments = (["--config", "/etc/accrete/settings/settings.yaml"] + process.arguments + bound).joined(separator: ", ")
        let ports =
            process.ports.isEmpty
            ? "" : "\n        ports: [\(process.ports.map { "{containerPort: \($0.value)}" }.joined(separator: ", "))]"
        return """
                  - name: \(process.name)
                    image: accrete
                    command: [\(executables)/\(process.executable)]
                    args: [\(arguments)]\(ports)
                    workingDir: /var/lib/accrete
                    env:
                    - {name: XDG_RUNTIME_DIR, value: /run/accrete}
                    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
                    resources:
                      requests: {cpu: 100m, memory: 64Mi}
                    volumeMounts:
                    - {name: settings, mountPath: /etc/accrete/settings, readOnly: true}
                    - {name: keys, mountPath: /etc/accrete/keys, readOnly: true}
                    - {name: runtime, mountPath: /run/accrete}
                    - {name: state, mountPath: /var/lib/accrete}
            """
    }

    static func steps(_ plan: HostPlan, directory: String) -> [String] {
        [
            "kubectl create configmap accrete-settings --from-file=\(directory)/settings.yaml",
            "kubectl create secret generic accrete-keys --from-file=KEYS, the directory that security.keys names as /etc/accrete/keys",
            "an image `accrete` with the executables; then: kubectl apply -f \(directory)/kubernetes",
        ]
    }
}
