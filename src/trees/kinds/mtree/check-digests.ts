import { createHash } from 'node:crypto'
import type { UmlcowError } from '../../../errors.js'
import { type ReadOptions, shownPath } from '../../../formats/manifest/archive-error.js'
import { type DigestName, digestNames, type MtreeDigests } from '../../../formats/mtree/digests.js'
import type { MtreeItem } from '../../../formats/mtree/entries.js'
import { mtreeError, otherFileHint } from '../../../formats/mtree/error.js'
import { PosixCksum } from './posix-cksum.js'

interface Hash {
  update(bytes: Uint8Array): unknown
  digest(form: 'hex'): string
}

/** Starts a digest; null when this Node cannot compute it. */
type StartHash = (name: DigestName) => Hash | null

function startHash(name: DigestName): Hash | null {
  if (name === 'cksum') return new PosixCksum()
  try {
    return createHash(name === 'rmd160' ? 'ripemd160' : name)
  } catch {
    return null // It throws for one reason only: this OpenSSL lacks the digest, as some lack rmd160 or md5.
  }
}

/** Checks content against the digests of mtree text while something else reads it. */
export class DigestCheck {
  private readonly name: string
  private readonly onWarning: ReadOptions['onWarning']
  private readonly start: StartHash
  private readonly missing = new Set<DigestName>()

  /** @param options  `name` is the name of the list, for messages */
  constructor({ name = 'mtree text', onWarning }: ReadOptions, start: StartHash = startHash) {
    this.name = name
    this.onWarning = onWarning
    this.start = start
  }

  /** Pass content on. @throws UmlcowError INPUT_CHANGED at its end when a digest differs */
  checked(item: MtreeItem, content: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    return item.digests === undefined ? content : this.through(item, item.digests, content)
  }

  private async *through(
    item: MtreeItem,
    digests: MtreeDigests,
    content: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    const names = digestNames.filter((name) => digests[name] !== undefined)
    const hashes = names.map((name) => ({ name, hash: this.start(name) }))
    for (const { name, hash } of hashes) if (hash === null) this.warn(name)
    for await (const bytes of content) {
      for (const { hash } of hashes) hash?.update(bytes)
      yield bytes
    }
    for (const { name, hash } of hashes) {
      const got = hash?.digest('hex')
      if (got !== undefined && got !== digests[name]) throw this.difference(item, name, digests[name]!, got)
    }
  }

  private difference({ entry, line }: MtreeItem, keyword: DigestName, expected: string, got: string): UmlcowError {
    const path = shownPath(entry.path)
    const what = `${keyword} of ${path}: expected ${expected}, got ${got} in the tree; ${otherFileHint}`
    return mtreeError('INPUT_CHANGED', { name: this.name, line }, what, { keyword, expected, got, path })
  }

  private warn(name: DigestName): void {
    if (this.missing.has(name)) return
    this.missing.add(name)
    this.onWarning?.(`${this.name}: this Node.js cannot compute ${name}, so umlcow does not check it`)
  }
}
