import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { commandPath, type Outcome, withoutUnseenTold } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'

// Overlays made here share no code with src/.

/** 2024-05-01T12:00:00Z, as in the fixtures. */
export const pairMtime = 1_714_564_800

const sectorSize = 512

/** Where things are in the overlays of `writeOverlay`. */
export const bitmapOffset = 8192

export function dataOffsetOf(virtualSize: number): number {
  const bitmapLength = Math.ceil(Math.ceil(virtualSize / sectorSize) / 8)
  return Math.ceil((bitmapOffset + bitmapLength) / 4096) * 4096
}

export interface OverlayShape {
  readonly virtualSize: number
  readonly backing: string | Buffer
  readonly mtime?: number
  /** Allocated sectors and their bytes; null is a hole. */
  readonly sectors?: ReadonlyMap<number, Buffer | null>
}

function headerBytes(shape: OverlayShape): Buffer {
  const header = Buffer.alloc(4128)
  header.writeUInt32BE(0x4f4f4f4d, 0)
  header.writeUInt32BE(3, 4)
  header.writeUInt32BE(shape.mtime ?? pairMtime, 8)
  header.writeBigUInt64BE(BigInt(shape.virtualSize), 12)
  header.writeUInt32BE(sectorSize, 20)
  header.writeUInt32BE(4096, 24)
  Buffer.from(shape.backing as Buffer).copy(header, 32)
  return header
}

/** Write an overlay, version 3, sparse. */
export function writeOverlay(file: string, shape: OverlayShape): void {
  const dataOffset = dataOffsetOf(shape.virtualSize)
  const fd = openSync(file, 'w')
  try {
    writeSync(fd, headerBytes(shape), 0, 4128, 0)
    ftruncateSync(fd, dataOffset + shape.virtualSize)
    const bitmap = new Map<number, number>()
    for (const [sector, bytes] of shape.sectors ?? []) {
      const byte = Math.floor(sector / 8)
      bitmap.set(byte, (bitmap.get(byte) ?? 0) + 2 ** (sector % 8))
      if (bytes !== null) writeSync(fd, bytes, 0, bytes.length, dataOffset + sector * sectorSize)
    }
    for (const [byte, bits] of bitmap) writeSync(fd, Buffer.of(bits), 0, 1, bitmapOffset + byte)
  } finally {
    closeSync(fd)
  }
}

/** A sector whose text tells where it comes from. */
export function sectorText(layer: string, sector: number): Buffer {
  return Buffer.alloc(sectorSize, `${layer} ${sector}\n`)
}

export function setMtime(file: string, seconds = pairMtime): void {
  utimesSync(file, seconds, seconds)
}

/** A file that is one hole. */
export function writeHole(file: string, size: number): void {
  writeFileSync(file, '')
  truncateSync(file, size)
  setMtime(file)
}

/** Tests hash many files, one after another: a buffer of the size of each would cost more than the hashing. */
const piece = Buffer.alloc(2 ** 18)

export function sha256(file: string): string {
  const hash = createHash('sha256')
  const fd = openSync(file, 'r')
  try {
    for (let count = readSync(fd, piece); count > 0; count = readSync(fd, piece)) hash.update(piece.subarray(0, count))
  } finally {
    closeSync(fd)
  }
  return hash.digest('hex')
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Everything of a file that a verb that only reads it must leave alone. */
export function stateOf(file: string): Record<string, string> {
  const { ino, mtimeNs, ctimeNs, mode } = statSync(file, { bigint: true })
  return { file, content: sha256(file), inode: `${ino}`, mtime: `${mtimeNs}`, change: `${ctimeNs}`, mode: `${mode}` }
}

/** When the test ends, these files must be as they are now. */
export function keepsUntouched(...files: string[]): void {
  const before = files.map(stateOf)
  onTestFinished(() => expect(files.map(stateOf)).toEqual(before))
}

/** The same for files that are too long to be read: nothing was written to them. */
export function keepsUnwritten(...files: string[]): void {
  const look = () =>
    files.map((file) => {
      const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true })
      return { file, ino, size, mtimeNs, ctimeNs }
    })
  const before = look()
  onTestFinished(() => expect(look()).toEqual(before))
}

/** Bytes that the host stores of a file, once it has decided: until then the number moves. */
export function allocatedBytes(file: string): number {
  const fd = openSync(file, 'r')
  fsyncSync(fd)
  closeSync(fd)
  return statSync(file).blocks * 512
}

export function namesIn(directory: string): string[] {
  return readdirSync(directory).sort()
}

export interface Scene {
  readonly directory: string
  readonly backing: string
  readonly cow: string
  /** A place for a merge, in the same directory; nothing is there. */
  readonly target: string
  readonly virtualSize: number
  readonly backingBytes: Buffer
  /** What a guest sees, and so what a merge must give. */
  readonly merged: Buffer
  readonly sectors: ReadonlyMap<number, Buffer | null>
}

/** Sectors of `makeScene`: 601 of them, 400 to 527 zeros in the backing file. */
const sceneSectors = 601

function sceneBacking(): Buffer {
  const sectors: Buffer[] = []
  for (let sector = 0; sector < sceneSectors; sector++) {
    sectors.push(sector >= 400 && sector < 528 ? Buffer.alloc(sectorSize) : sectorText('backing', sector))
  }
  return Buffer.concat(sectors)
}

/** An overlay and its backing file, `cow` and `root_fs`, in a directory of their own; the header has the full path. */
export function makeScene(options: { directory?: string; header?: string } = {}): Scene {
  const directory = options.directory ?? temporaryDirectory()
  const backing = path.join(directory, 'root_fs')
  const cow = path.join(directory, 'cow')
  const backingBytes = sceneBacking()
  writeFileSync(backing, backingBytes)
  setMtime(backing)
  const sectors = new Map<number, Buffer | null>()
  for (const sector of [0, 5, 6, 7, 8, 9, 63, 64, 450, 600]) sectors.set(sector, sectorText('overlay', sector))
  sectors.set(40, null)
  sectors.set(41, Buffer.alloc(sectorSize))
  writeOverlay(cow, { virtualSize: backingBytes.length, backing: options.header ?? backing, sectors })
  const merged = Buffer.from(backingBytes)
  for (const [sector, bytes] of sectors) (bytes ?? Buffer.alloc(sectorSize)).copy(merged, sector * sectorSize)
  const target = path.join(directory, 'merged')
  return { directory, backing, cow, target, virtualSize: backingBytes.length, backingBytes, merged, sectors }
}

/** A pair that takes long to merge and no room on the disk. */
export function makeLongScene(virtualSize = 200 * 2 ** 30): Pick<Scene, 'directory' | 'backing' | 'cow' | 'target'> {
  const directory = temporaryDirectory()
  const backing = path.join(directory, 'root_fs')
  const cow = path.join(directory, 'cow')
  writeHole(backing, virtualSize)
  writeOverlay(cow, { virtualSize, backing, sectors: new Map([[3, sectorText('overlay', 3)]]) })
  return { directory, backing, cow, target: path.join(directory, 'merged') }
}

/** Run the built command to its end with file descriptors of the caller's choice. */
export function runWith(stdio: StdioOptions, args: readonly string[], cwd?: string): Outcome {
  const done = spawnSync(process.execPath, [commandPath, ...args], { cwd, stdio, encoding: 'utf8', timeout: 600_000 })
  const { status, signal } = done
  return withoutUnseenTold({ status, signal, stdout: done.stdout ?? '', stderr: done.stderr ?? '' })
}

/** Run a line of shell in which `umlcow` is the built command. */
export function shell(line: string, cwd: string): Outcome {
  const script = `umlcow() { "$UMLCOW_NODE" "$UMLCOW_BIN" "$@"; }\n${line}\n`
  const env = { ...process.env, UMLCOW_NODE: process.execPath, UMLCOW_BIN: commandPath }
  const done = spawnSync('/bin/sh', ['-c', script], { cwd, env, encoding: 'utf8', timeout: 600_000 })
  return withoutUnseenTold({ status: done.status, signal: done.signal, stdout: done.stdout, stderr: done.stderr })
}

export interface Running {
  readonly child: ChildProcess
  /** Text of standard error so far. */
  stderr(): string
  readonly ended: Promise<Outcome>
}

/** Start the built command and go on; it is killed when the test ends. */
export function startUmlcow(args: readonly string[], options: { cwd?: string; stdio?: StdioOptions } = {}): Running {
  const child = spawn(process.execPath, [commandPath, ...args], {
    cwd: options.cwd,
    stdio: options.stdio ?? ['ignore', 'ignore', 'pipe'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let stderr = ''
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  const ended = new Promise<Outcome>((resolve) => {
    child.on('close', (status, signal) => resolve(withoutUnseenTold({ status, signal, stdout: '', stderr })))
  })
  return { child, stderr: () => stderr, ended }
}

function procFile(child: ChildProcess, name: string): string {
  return readFileSync(`/proc/${child.pid}/${name}`, 'latin1')
}

/** Seconds of processor time that a process has used so far, all its threads; null when it is gone. */
export function cpuSecondsOf(child: ChildProcess): number | null {
  try {
    const fields = procFile(child, 'stat').split(') ').at(-1)!.split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return null
  }
}

/**
 * Wait until a command has handlers for signals and waits for something. Node itself handles SIGINT and SIGTERM from its
 * start on, SIGHUP only when it is told to.
 */
export async function untilItWaits(child: ChildProcess): Promise<void> {
  const handlesHangUp = () => Number.parseInt(/^SigCgt:.*(.)$/m.exec(procFile(child, 'status'))![1]!, 16) % 2 === 1
  const isAsleep = () => /^State:\s+S/m.test(procFile(child, 'status'))
  await waitUntil(() => handlesHangUp() && isAsleep(), 'the command to wait')
}

/** Wait until a pipe that nobody reads can take no more. What is written to find out goes nowhere. */
export async function untilFull(fifo: string): Promise<void> {
  const fd = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK)
  const isFull = () => {
    try {
      writeSync(fd, ' ')
      return false
    } catch {
      return true
    }
  }
  try {
    await waitUntil(isFull, `${fifo} to be full`)
  } finally {
    closeSync(fd)
  }
}

/** A process that has a file open for reading and writing until the test ends. */
export async function holdOpen(file: string, flags = 'r+'): Promise<number> {
  const code = `require('node:fs').openSync(process.argv[1], process.argv[2]); console.log('open'); setInterval(() => {}, 1e6)`
  const child = spawn(process.execPath, ['-e', code, file, flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve)
    child.once('exit', () => reject(new Error(`${file} could not be held open`)))
  })
  return child.pid ?? 0
}

/** Look again and again. The limit is for what never comes: the slowest machine is quicker. */
export async function waitUntil(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + 300_000
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A failure as a user should see it: no stack, no talk of a defect, each line with our name in front. */
export function expectPlainFailure(outcome: Outcome, status: number): void {
  expect(outcome.stderr).not.toMatch(/\n\s+at |defect of umlcow|node:internal/)
  expect(outcome.stderr).toMatch(/^umlcow: /)
  expect(outcome.signal).toBeNull()
  expect(outcome.status).toBe(status)
}
