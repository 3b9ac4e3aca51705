import { printablePath } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import { qcow2Limits } from '../formats/qcow2/index.js'
import type { ImageFormat } from '../images/image-formats.js'
import { assertClusterSize, createQcow2Sink } from '../images/qcow2/qcow2-sink.js'
import { type HostFiles, localHostFiles } from '../machine/host-files.js'
import {
  checkedOptions,
  oneOf,
  pathStyle,
  type Rule,
  type Rules,
  text,
  textPath,
  whole,
} from '../machine/option-rules.js'
import { withUnseenTold } from '../machine/processes/unseen-users.js'
import { writeNewFile } from '../machine/write-new-file.js'
import { guardTarget, refuseSameFile, targetFacts } from '../overlays/guard-target.js'
import { openBackingOfQcow2 } from '../overlays/open-image.js'
import { type PathStyle, storedBackingPath } from '../overlays/stored-path.js'
import { refuseUnfinished } from '../overlays/unfinished/find-merge-around.js'
import { openMemoryStore } from '../stores/memory-store.js'
import { type CreateResult, type NewFileVerbOptions, newFileRules } from './create.js'

export interface CreateQcow2Options extends NewFileVerbOptions {
  /** Bytes that a guest sees; default those of the backing file. */
  readonly size?: number | undefined
  /** The backing file. */
  readonly backing?: string | undefined
  /** Its format. It is recorded, and umlcow never guesses it from what a guest wrote. */
  readonly backingFormat?: ImageFormat | undefined
  /** Bytes of a cluster: a power of two from 512 to 2 MiB; default 64 KiB. */
  readonly clusterSize?: number | undefined
  /** How to store the path of the backing file; default absolute. */
  readonly pathStyle?: PathStyle | undefined
}

const clusterSizeRule: Rule = (value, name) => {
  if (typeof value !== 'number') throw new TypeError(`${name}: expected a number, got ${String(value)}`)
  assertClusterSize(value)
  return value
}

const createQcow2Rules: Rules = {
  ...newFileRules,
  size: whole(0),
  backing: text,
  backingFormat: oneOf(['raw', 'cow', 'qcow2']),
  clusterSize: clusterSizeRule,
  pathStyle,
}

/**
 * Make an empty qcow2 image of version 3, with or without a backing file.
 *
 * @throws UmlcowError USAGE without a size and a backing file, or without the format of the backing file; BACKING_…,
 *         PATH_TOO_LONG, BAD_VIRTUAL_SIZE, TARGET_…, and what the host throws
 */
export async function createQcow2(path: string | URL, options: CreateQcow2Options = {}): Promise<CreateResult> {
  const place = textPath('path', path)
  const checked = checkedOptions(options, createQcow2Rules)
  return withUnseenTold(options.files ?? localHostFiles, (files) => makeQcow2(files, place, checked))
}

async function makeQcow2(files: HostFiles, path: string, options: CreateQcow2Options): Promise<CreateResult> {
  const { backing, clusterSize } = options
  const below = backing === undefined ? null : await backingOf(files, path, backing, options)
  const virtualSize = options.size ?? below?.virtualSize
  if (virtualSize === undefined) throw new UmlcowError('USAGE', 'a qcow2 image needs a size or a backing file')
  const content = { virtualSize, clusterSize, ...(below === null ? {} : { backing: below }) }
  // This checks the sizes and the path before a file is opened for writing.
  createQcow2Sink(openMemoryStore(new Uint8Array(0), printablePath(path)), content)
  const result: CreateResult = {
    path,
    format: 'qcow2',
    virtualSize,
    backingPath: below?.path ?? null,
    dryRun: options.dryRun === true,
    warnings: [],
  }
  const place = await guardTarget(files, path, { ...options, mayBeOverlay: below !== null })
  if (options.dryRun) return result
  await writeNewFile(files, place, { permissions: 0o644, ...options }, async (store) => {
    await createQcow2Sink(store, content).finish()
  })
  return result
}

/** Open the backing file once, as the new image would: find its size, and refuse what could not be read later. */
async function backingOf(
  files: HostFiles,
  path: string,
  backing: string,
  options: CreateQcow2Options,
): Promise<{ path: Buffer; format: string; virtualSize: number }> {
  const { backingFormat: format } = options
  if (format === undefined) {
    throw new UmlcowError(
      'USAGE',
      'the format of the backing file is missing: umlcow records it, and never guesses it',
      {
        hint: 'add -F raw for a plain disk image, -F cow or -F qcow2 for an image of that format',
      },
    )
  }
  const located = { path: Buffer.from(backing), facts: await files.stat(backing) }
  await refuseUnfinished(files, backing, { beside: path })
  const facts = await targetFacts(files, path)
  refuseSameFile(facts, printablePath(path), located.facts, backing)
  const stored = await storedBackingPath(files, path, backing, options.pathStyle ?? { kind: 'absolute' })
  if (stored.length > qcow2Limits.backingLength) {
    throw new UmlcowError(
      'PATH_TOO_LONG',
      `${printablePath(stored)}: the header holds ${qcow2Limits.backingLength} bytes`,
    )
  }
  const image = await openBackingOfQcow2(files, { path, below: { path: stored, format } }, { backing }, [])
  try {
    for (const input of image.files) refuseSameFile(facts, printablePath(path), input.facts, input.path)
    return { path: stored, format, virtualSize: image.virtualSize }
  } finally {
    await image.close()
  }
}
