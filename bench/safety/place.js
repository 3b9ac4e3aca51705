// A directory of its own for each cell of the table, with what all cells start from.
import { createHash } from 'node:crypto'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'

/** 2024-05-01T12:00:00Z: long enough ago that no tool makes this mtime by chance. */
export const oldMtime = 1_714_564_800

export class Place {
  /** @param {string} top @param {string} [backingDirectory]  where the backing file lies, when not beside the overlays */
  constructor(top, backingDirectory) {
    this.directory = mkdtempSync(path.join(top, 'cell-'))
    this.scratch = mkdtempSync(path.join(top, 'scratch-'))
    this.backing = path.join(backingDirectory ?? this.directory, 'root_fs')
  }

  file(name) {
    return path.join(this.directory, name)
  }

  statBacking() {
    return statSync(this.backing)
  }

  /** Make the backing file, old, with text that tells the sectors apart. */
  writeBacking(size) {
    const bytes = Buffer.alloc(size)
    for (let at = 0; at < size; at += 512) bytes.fill(`backing ${at / 512}\n`, at, Math.min(size, at + 512))
    this.setBacking(bytes)
    return bytes
  }

  /**
   * @param {Buffer} bytes
   * @param {{ mtime?: number | null, size?: number }} options  mtime: null is now; size: what is beyond the bytes is a hole
   */
  setBacking(bytes, { mtime = oldMtime, size = bytes.length } = {}) {
    writeFileSync(this.backing, bytes)
    truncateSync(this.backing, size)
    if (mtime !== null) utimesSync(this.backing, mtime, mtime)
  }

  /** Name, content, times and mode of every file. */
  look() {
    const directories = new Set([this.directory, path.dirname(this.backing)])
    const names = [...directories].flatMap((directory) =>
      readdirSync(directory).map((name) => path.join(directory, name)),
    )
    const states = new Map()
    for (const name of names) {
      const { size, mtimeNs, mode, uid, gid } = statSync(name, { bigint: true })
      const digest = createHash('sha256').update(readFileSync(name)).digest('hex')
      states.set(name, [size, mtimeNs, mode, uid, gid, digest].join(' '))
    }
    return states
  }

  /** Remove all files, to begin again. */
  clear() {
    for (const name of readdirSync(this.directory)) rmSync(this.file(name), { recursive: true })
    rmSync(this.backing, { force: true })
  }

  remove() {
    for (const directory of [this.directory, this.scratch]) rmSync(directory, { recursive: true, force: true })
  }
}

export function isSameLook(before, after) {
  return before.size === after.size && [...before].every(([name, state]) => after.get(name) === state)
}

/** Names of files that were not there before. */
export function newNames(before, after) {
  return [...after.keys()].filter((name) => !before.has(name)).map((name) => path.basename(name))
}
