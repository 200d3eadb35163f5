/// A batch job of Slurm: a node for each host, a step for each process.  sbatch(1), srun(1)
enum Slurm: Engine {
    static let name = "slurm"

    static func files(_ plan: HostPlan, executables: String) -> [String: String] { ["accrete.sbatch": job(plan, executables)] }

    private static func job(_ plan: HostPlan, _ executables: String) -> String {
        let steps = plan.processes.map { process in
            let command = (["\(executables)/\(process.executable)", "--config", "\"$settings\""] + process.arguments).joined(separator: " ")
            return "start \(process.name) \(process.host) \(command)"
        }
        return """
            #!/bin/bash
            #SBATCH --job-name=accrete
            #SBATCH --nodes=\(plan.hosts.count)
            #SBATCH --nodelist=\(plan.hosts.joined(separator: ","))
            #SBATCH --ntasks-per-node=\(plan.hosts.map { host in plan.processes.count { $0.host == host } }.max() ?? 1)
            #SBATCH --requeue
            #SBATCH --signal=B:TERM@60
            #SBATCH --output=accrete-%j.log
            # The directory of this file is one that all nodes share; settings.yaml lies beside it.
            settings="${SLURM_SUBMIT_DIR:-.}/settings.yaml"
            stopping=0
            trap 'stopping=1; kill $(jobs -p) 2>/dev/null' TERM INT

            # A stage that fails is started again, as accrete up does; it goes on from its journal or its checkpoint.
            start() {
                local name=$1 node=$2; shift 2
                (
                    trap 'kill "$step" 2>/dev/null; wait "$step"; exit 0' TERM INT
                    while :; do
                        srun --exact --nodes=1 --ntasks=1 --nodelist="$node" --job-name="$name" "$@" & step=$!
                        wait "$step" && exit 0
                        sleep 1
                    done
                ) &
            }

            \(steps.joined(separator: "\n"))
            wait
            [ "$stopping" = 1 ] && wait
            exit 0

            """
    }

    static func steps(_ plan: HostPlan, directory: String) -> [String] {
        ["put \(directory) where all nodes can read it, with the directory of keys", "cd \(directory) && sbatch accrete.sbatch"]
    }
}
