import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect } from 'vitest'
import type { Dice } from './generate.js'
import type { Peer } from './peers.js'

export const qemuImg: Peer = '/usr/bin/qemu-img'
export const qemuIo: Peer = '/usr/bin/qemu-io'

/** Run qemu-img or qemu-io, which must succeed. @returns what it prints */
export function runQemu(program: Peer, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 60_000 })
  expect({ args, status, stderr, stdout: status === 0 ? '' : stdout }).toEqual({ args, status: 0, stderr, stdout: '' })
  return stdout
}

export interface Qcow2Scene {
  readonly image: string
  /** What a guest sees, byte by byte. */
  readonly content: Buffer
  /** The options that made it. */
  readonly name: string
}

const kib = 1024

interface ChosenOptions {
  readonly options: string
  readonly clusterSize: number
  /** No cluster is allocated beforehand. */
  readonly mayCompress: boolean
}

/** Choose options of `qemu-img create` that fit together. */
function chooseOptions(dice: Dice): ChosenOptions {
  const clusterSize = 2 ** (9 + dice.below(13))
  const old = dice.below(4) === 0
  const extended = !old && clusterSize >= 16 * kib && dice.below(3) === 0
  const options = [`compat=${old ? '0.10' : '1.1'}`, `cluster_size=${clusterSize}`]
  if (extended) options.push('extended_l2=on')
  if (!old) {
    const bits = 2 ** dice.below(7)
    const lazy = dice.below(3) === 0
    options.push(`refcount_bits=${bits}`, `lazy_refcounts=${lazy ? 'on' : 'off'}`)
    if (dice.below(4) === 0) options.push('compression_type=zlib')
  }
  const preallocation = dice.below(3) === 0 ? dice.pick(['metadata', 'falloc', 'full']) : 'off'
  const mayCompress = preallocation === 'off'
  return { options: [...options, `preallocation=${preallocation}`].join(','), clusterSize, mayCompress }
}

/** Write at random places with qemu-io, and the same into `content`. */
export function writeRandomly(
  dice: Dice,
  image: string,
  content: Buffer,
  { clusterSize, mayCompress }: Pick<ChosenOptions, 'clusterSize' | 'mayCompress'>,
): void {
  const commands: string[] = []
  // QEMU does not write a compressed cluster over another one. A write over a compressed cluster frees its place in the
  // file. In the same process, QEMU 7.2 may put the next compressed cluster there, though other data has the place by then.
  let hasFreed = false
  const touched = new Set<number>()
  const compressed = new Set<number>()
  const unit = (size: number) => Math.max(1, Math.ceil(content.length / size))
  for (let i = 0; i < 3 + dice.below(12); i++) {
    const kind = dice.below(8)
    // Compressed clusters are written whole, zeros also in part.
    const size = kind === 0 ? clusterSize : dice.below(3) === 0 ? 512 : Math.max(512, clusterSize / 2)
    const start = dice.below(unit(size)) * size
    const length = Math.min(content.length - start, kind === 0 ? size : size * (1 + dice.below(6)))
    const end = start + length
    const pattern = 1 + dice.below(255)
    if (kind === 0 && (hasFreed || length < size || !mayCompress || touched.has(start / clusterSize))) continue
    const clusters: number[] = []
    for (let at = Math.floor(start / clusterSize); at * clusterSize < end; at++) clusters.push(at)
    if (clusters.some((one) => compressed.has(one))) hasFreed = true
    for (const one of clusters) touched.add(one)
    if (kind === 0) compressed.add(start / clusterSize)
    if (kind === 1) commands.push(`write -z ${start} ${length}`)
    else if (kind === 2) commands.push(`write -z -u ${start} ${length}`)
    else commands.push(`write ${kind === 0 ? '-c ' : ''}-P ${pattern} ${start} ${length}`)
    content.fill(kind === 1 || kind === 2 ? 0 : pattern, start, end)
  }
  if (commands.length > 0) runQemu(qemuIo, ...commands.flatMap((one) => ['-c', one]), image)
}

/** Make an image with random options and writes, in half of the cases over a backing file of another size. */
export function makeQcow2(dice: Dice, directory: string, label: string): Qcow2Scene {
  const { options, clusterSize, mayCompress } = chooseOptions(dice)
  const image = path.join(directory, `${label}.qcow2`)
  const size = 512 * (1 + dice.below(Math.min(8192, Math.max(64, (clusterSize / 512) * 40))))
  const content = Buffer.alloc(size)
  const backing: string[] = []
  const kind = dice.below(4)
  let plain = options
  if (kind < 2) {
    const format = kind === 0 ? 'raw' : 'qcow2'
    const below = makeBelow(dice, directory, `${label}.below`, format, 512 * (1 + dice.below((2 * size) / 512)))
    below.copy(content, 0, 0, Math.min(size, below.length))
    backing.push('-b', `${label}.below`, '-F', format)
    plain = options.replace(/preallocation=\w+/, 'preallocation=off')
  }
  runQemu(qemuImg, 'create', '-q', '-f', 'qcow2', '-o', plain, ...backing, image, String(size))
  writeRandomly(dice, image, content, { clusterSize, mayCompress: mayCompress || kind < 2 })
  return { image, content, name: `${plain} ${backing.join(' ')} ${size}` }
}

function makeBelow(dice: Dice, directory: string, name: string, format: string, size: number): Buffer {
  const file = path.join(directory, name)
  const content = Buffer.alloc(size)
  if (format === 'raw') {
    for (let at = 0; at < size; at += 512) content.fill(dice.below(256), at, at + 512)
    writeFileSync(file, content)
    return content
  }
  const chosen = chooseOptions(dice)
  runQemu(qemuImg, 'create', '-q', '-f', 'qcow2', '-o', chosen.options, file, String(size))
  writeRandomly(dice, file, content, chosen)
  return content
}
