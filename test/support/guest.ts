import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { sha256 } from '../cli/scene.js'
import { root } from './paths.js'
import type { Peer } from './peers.js'

const linux: Peer = '/usr/bin/linux.uml'
const busybox: Peer = '/usr/bin/busybox'
const python: Peer = '/usr/bin/python3'

/** What a guest needs. */
export const guestPeers = [linux, busybox, python] as const

const lab = path.join(root, 'test/uml-lab')
/** For the tools of uml-lab. */
export const guestEnv = { ...process.env, UML_LAB_LINUX: linux, UML_LAB_BUSYBOX: busybox }

export interface GuestRun {
  /** Of the script; null when the guest never finished it. */
  readonly status: number | null
  readonly out: string
  /** What the kernel had to say about block devices and COW files. */
  readonly messages: readonly string[]
}

/** Boot a guest, let it run a shell script, and halt it. */
export function runGuest(directory: string, ubdArgs: readonly string[], script: string): GuestRun {
  const done = spawnSync(python, [path.join(lab, 'boot'), '--json', ...ubdArgs, '--', script], {
    cwd: directory,
    env: guestEnv,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    timeout: 120_000,
  })
  if (done.stdout === '') throw new Error(`boot printed nothing: ${done.stderr}`)
  const facts = JSON.parse(done.stdout)
  return { status: facts.guest_status, out: facts.out, messages: facts.ubd_messages }
}

export interface GuestReads {
  /** sha256 of the device by reads of one page each, which the kernel always gets right. */
  readonly pages: string
  /** The same by read-ahead, as `cat /dev/ubda` causes it. */
  readonly ahead: string
  /** The same by direct reads of 1 MiB. */
  readonly direct: string
}

/** What a guest reads of its device, in three ways: test/uml-lab/README.md, "A kernel bug to know". */
export function guestReads(directory: string, ubdArg: string): GuestReads {
  return guestReadsOfAll(directory, ubdArg)[0]!
}

/** The same of several devices of one guest, which takes little longer than one does: a boot takes most of the time. */
export function guestReadsOfAll(directory: string, ...ubdArgs: readonly string[]): GuestReads[] {
  const devices = ubdArgs.map((arg) => arg.slice(0, 'ubda'.length))
  // Hashed here: in the guest that takes longer than to copy.
  const copies = realpathSync(mkdtempSync(path.join(tmpdir(), 'umlcow-reads-')))
  try {
    const script = `mkdir /copies && mount -t hostfs none /copies -o ${copies} || exit 1\n`
    const { status, out, messages } = runGuest(directory, ubdArgs, script + devices.map(readingScript).join(''))
    expect({ status, out, messages }).toMatchObject({ status: 0 })
    return devices.map((device) => {
      const [ahead, direct, pages] = waysToRead.map((way) => sha256(path.join(copies, `${device}.${way}`)))
      return { pages: pages!, ahead: ahead!, direct: direct! }
    })
  } finally {
    rmSync(copies, { recursive: true })
  }
}

const waysToRead = ['ahead', 'direct', 'pages'] as const

/** Copy a device in each way; `devcopy` limits what one request may read, so it comes last. */
function readingScript(device: string): string {
  const copy = (way: string, flags: string) =>
    `dd if=/dev/${device} of=/copies/${device}.${way} bs=1M ${flags} conv=fsync 2> /dev/null || exit 1`
  return `${copy('ahead', '')}
echo 3 > /proc/sys/vm/drop_caches
${copy('direct', 'iflag=direct')}
devcopy ${device} /copies/${device}.pages || exit 1
`
}

/** A guest gets devices of the right size, and cannot open any of them. The overlay is what is before the comma. */
export function expectRefused(directory: string, ...ubdArgs: readonly string[]): void {
  const devices = ubdArgs.map((_, i) => `ubd${'abcdefgh'[i]}`)
  const script = devices.map((device) => `dd if=/dev/${device} of=/dev/null bs=512 count=1 && echo read`).join('\n')
  const { out, messages } = runGuest(
    directory,
    ubdArgs.map((arg, i) => `${devices[i]}=${arg}`),
    `${script}\ntrue`,
  )
  const text = messages.join('\n')
  expect(text).toMatch(/^mtime mismatch \(\d+ vs \d+\) of COW header vs backing file/m)
  for (const [i, device] of devices.entries()) {
    const overlay = ubdArgs[i]!.split(',', 1)[0]
    expect(text).toMatch(new RegExp(`^${device}: Can't open "[^"]*${overlay}": errno = 22`, 'm'))
  }
  expect(out).not.toMatch(/^read$/m)
}

/** Opens the device, writes its first page and keeps it open. */
const openRaw = `exec 3<>/dev/ubda || exit 1
dd if=/dev/zero bs=4096 count=1 | tr '\\0' g >&3; sync`

/** Mounts the device and writes a file; then nothing moves, so that what others do to the overlay can be seen. */
export const openMounted = `mount -t ext4 /dev/ubda /mnt || exit 1
echo guest > /mnt/guest; sync; fsfreeze --freeze /mnt || exit 1`

/** Prints the pid of the kernel once the script is through; ends the guest when its standard input ends. */
const host = `
import sys
sys.path.insert(0, sys.argv[1])
import lab
script = sys.argv[3] + """
echo y > /job/ready
while [ ! -e /job/go ]; do sleep 0.1; done
fsfreeze --unfreeze /mnt 2> /dev/null && umount /mnt; true"""
with lab.Instance(sys.argv[4:], script, cwd=sys.argv[2]) as guest:
    ready = guest.wait_for("ready", 30)
    print(guest.child.pid if ready else "failed: " + (guest.job_file("console") or ""), flush=True)
    sys.stdin.read()
    guest.post("go")
    guest.finish(20)
`

export interface Guest {
  readonly pid: number
  /** Halts it; resolves when its processes have ended. */
  halt(): Promise<void>
}

/** Boot a guest that keeps /dev/ubda open until it is halted, at the latest when the test ends. */
export async function bootGuest(
  directory: string,
  ubdArgs: readonly string[],
  script: string = openRaw,
): Promise<Guest> {
  const child = spawn(python, ['-c', host, lab, directory, script, ...ubdArgs], {
    env: guestEnv,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const halt = async () => {
    child.stdin.end()
    await ended
  }
  // SIGTERM lets the lab end its own processes.
  onTestFinished(async () => {
    child.kill('SIGTERM')
    await ended
  })
  const first = await new Promise<string>((resolve) => {
    child.stdout.once('data', (chunk) => resolve(String(chunk).trim()))
    child.once('close', () => resolve('failed: it ended'))
  })
  expect(first).toMatch(/^\d+$/)
  return { pid: Number(first), halt }
}
