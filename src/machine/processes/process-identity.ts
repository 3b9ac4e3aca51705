import fs from 'node:fs'
import os from 'node:os'

/** What tells a process from all others, on this machine and elsewhere. Null where the host does not tell. */
export interface ProcessIdentity {
  readonly hostName: string
  /** /etc/machine-id */
  readonly machine: string | null
  /** Changes with each start of the kernel. */
  readonly boot: string | null
  readonly pidNamespace: string | null
  readonly pid: number
  /** Clock ticks after the start of the kernel: a number that is used again gets another. */
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

/** Whether a process still runs; `unknown` when it cannot be told from here, and then it may. */
export type Liveness = 'running' | 'ended' | 'unknown'

/**
 * Whether the process of an identity still runs.
 *
 * Silence proves its end only where it would be heard: in our own pid namespace, or when our machine has been started
 * again since. A process that is this one is no other: it counts as ended.
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

/** Null when there is no such process, or when it has ended and nobody has asked how. */
function startTimeOf(pid: number): string | null {
  const text = readWord(`/proc/${pid}/stat`)
  if (text === null) return null
  // The name of the program, field 2, may hold anything; from its last parenthesis on there are numbers and letters.
  const [state, ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' || state === 'X' ? null : (fields[18] ?? null)
}

function readWord(path: string): string | null {
  try {
    return fs.readFileSync(path, 'latin1').trim()
  } catch {
    return null // Not there, or not for us to see: then nothing is known of it.
  }
}

function readLink(path: string): string | null {
  try {
    return fs.readlinkSync(path)
  } catch {
    return null // The same.
  }
}
