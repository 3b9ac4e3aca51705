import fs from 'node:fs'
import os from 'node:os'

/** Identifies a process among all others, on this machine and elsewhere. A field is null where the host hides it. */
export interface ProcessIdentity {
  readonly hostName: string
  /** /etc/machine-id */
  readonly machine: string | null
  /** Changes with each start of the kernel. */
  readonly boot: string | null
  readonly pidNamespace: string | null
  readonly pid: number
  /** Clock ticks since the start of the kernel. A later process with the same pid has another start time. */
  readonly startTime: string | null
}

export function thisProcess(): ProcessIdentity {
  return {
    hostName: os.hostname(),
    machine: readWord('/etc/machine-id'),
    boot: readWord('/proc/sys/kernel/random/boot_id'),
    pidNamespace: readLink('/proc/self/ns/pid'),
    pid: process.pid,
    startTime: startTimeOf(process.pid),
  }
}

/** Whether a process still runs. `unknown`: this process cannot find out, so the other one may still run. */
export type Liveness = 'running' | 'ended' | 'unknown'

/**
 * Find out whether the process of an identity still runs.
 *
 * A missing process has ended only if we would see it: in our own pid namespace, or when our machine has restarted
 * since. An identity with our own pid counts as ended, because its process is no other one.
 */
export function livenessOf(other: ProcessIdentity, self = thisProcess()): Liveness {
  if (other.boot === null || self.boot === null) return 'unknown'
  if (other.boot !== self.boot) {
    const sameMachine = other.machine !== null && other.machine === self.machine && other.hostName === self.hostName
    return sameMachine ? 'ended' : 'unknown'
  }
  if (other.pidNamespace === null || other.pidNamespace !== self.pidNamespace) return 'unknown'
  if (other.pid === self.pid) return 'ended'
  const startTime = startTimeOf(other.pid)
  return startTime !== null && startTime === other.startTime ? 'running' : 'ended'
}

/** Read the start time of a process; null when there is none, or when only its exit status is left. */
function startTimeOf(pid: number): string | null {
  const text = readWord(`/proc/${pid}/stat`)
  if (text === null) return null
  // Field 2, the name of the program, may hold anything. Only numbers and letters follow its last parenthesis.
  const [state, ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' || state === 'X' ? null : (fields[18] ?? null)
}

function readWord(path: string): string | null {
  try {
    return fs.readFileSync(path, 'latin1').trim()
  } catch {
    return null // Absent, or hidden from us: the value is unknown.
  }
}

function readLink(path: string): string | null {
  try {
    return fs.readlinkSync(path)
  } catch {
    return null // As in `readWord`.
  }
}
