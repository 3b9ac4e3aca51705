import fc from 'fast-check'
import { expect } from 'vitest'
import { latin1Text } from '../../src/bytes/fast.js'
import { checkEntry, type ManifestEntry, type ManifestItem } from '../../src/formats/manifest/index.js'

export const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1')

/** An entry with plain values where none are given. */
export function entry(path: string | Buffer, change: Partial<ManifestEntry> = {}): ManifestEntry {
  return {
    path: typeof path === 'string' ? bytesOf(path) : path,
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    device: null,
    linkTarget: null,
    hardLinkTo: null,
    size: 0,
    mtimeNs: 0n,
    xattrs: null,
    ...change,
  }
}

/** A further name: everything but the path is as it is there. */
export function furtherName(path: string | Buffer, first: ManifestEntry): ManifestEntry {
  return { ...entry(path, first), path: typeof path === 'string' ? bytesOf(path) : path, hardLinkTo: first.path }
}

/** The content that belongs to a first name: made from the path, so that a mix-up shows. */
export function contentOf({ path, size }: ManifestEntry): Buffer {
  return Buffer.alloc(size, path)
}

async function* pieces(bytes: Buffer, length = 1000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

/** Items with the content of `contentOf`. */
export async function* itemsOf(entries: Iterable<ManifestEntry>): AsyncGenerator<ManifestItem> {
  for (const one of entries) {
    const hasContent = one.type === 'file' && one.hardLinkTo === null
    yield { entry: one, content: hasContent ? pieces(contentOf(one)) : null }
  }
}

export async function* asyncOf<T>(values: Iterable<T>): AsyncGenerator<T> {
  yield* values
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const bytes of source) parts.push(Uint8Array.from(bytes))
  return Buffer.concat(parts)
}

export async function listOf<T>(source: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = []
  for await (const value of source) values.push(value)
  return values
}

/** `bytes` cut into pieces of one length, whose memory is used again for the next. */
export async function* cut(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  const room = Buffer.alloc(length)
  for (let at = 0; at < bytes.length; at += length) {
    const piece = bytes.subarray(at, at + length)
    room.fill(0xee).set(piece)
    yield room.subarray(0, piece.length)
  }
  room.fill(0xee)
}

/** Entries of items, with their content where they have any. */
export async function readAll(
  source: AsyncIterable<ManifestItem>,
): Promise<{ entry: ManifestEntry; content: Buffer | null }[]> {
  const all: { entry: ManifestEntry; content: Buffer | null }[] = []
  for await (const item of source) {
    expect(() => checkEntry(item.entry)).not.toThrow()
    all.push({ entry: item.entry, content: item.content === null ? null : await collect(item.content) })
  }
  return all
}

/** What `readAll` must give for entries as they were written. */
export function expected(entries: readonly ManifestEntry[]): { entry: ManifestEntry; content: Buffer | null }[] {
  return entries.map(({ linkCount, ...rest }) => ({
    entry: rest,
    content: rest.type === 'file' && rest.hardLinkTo === null ? contentOf(rest) : null,
  }))
}

const nastyNames = [
  'plain',
  ' ',
  'two words',
  'new\nline',
  'quote"s\'',
  'back\\slash\\',
  '$(x)',
  '`x`;x',
  '-dash',
  '#hash',
  'a=b',
  '*?[x]',
  '\\040',
  'not utf-8 \xff\xfe\x80',
  'utf-8 \xc3\xa9',
  'metadata',
  'TRAILER!!!',
  'long'.repeat(60),
  '...',
  '\x01\x7f\x1b[2J',
]

const isName = (name: Buffer): boolean => {
  const text = name.toString('latin1')
  return text !== '.' && text !== '..' && !text.includes('/') && !text.includes('\0')
}

const nameArbitrary = fc.oneof(
  fc.constantFrom(...nastyNames).map(bytesOf),
  fc
    .uint8Array({ minLength: 1, maxLength: 200 })
    .map((bytes) => Buffer.from(bytes))
    .filter(isName),
)

const idArbitrary = fc.oneof(fc.constantFrom(0, 1000, 2097151, 2097152, 3000000000, 4294967295), fc.nat(0xffffffff))
const timeArbitrary = fc.oneof(
  fc.constantFrom(0n, -1n, 1n, 75_578_209n, -43_199_750_000_000n, 8589934592n * 10n ** 9n, 2n ** 62n, -(2n ** 62n)),
  fc.bigInt(0n, 2n ** 33n).map((seconds) => seconds * 10n ** 9n),
  fc.bigInt(-(2n ** 63n), 2n ** 63n),
)
const xattrArbitrary = fc.option(
  fc.uniqueArray(
    fc.record({
      name: fc.constantFrom('user.a', 'security.capability', 'user.blank \xff').map(bytesOf),
      value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    }),
    { minLength: 1, maxLength: 2, selector: ({ name }) => name.toString('latin1') },
  ),
  { nil: null },
)

const targetArbitrary = fc.oneof(
  fc.constantFrom('/', '..', '../../x y', 'x'.repeat(101), 'y/'.repeat(2000), '\xff"\\\n').map(bytesOf),
  nameArbitrary,
)

const typed: fc.Arbitrary<Partial<ManifestEntry>> = fc.oneof(
  fc.nat(2000).map((size) => ({ type: 'file' as const, size })),
  fc.constant({ type: 'directory' as const }),
  targetArbitrary.map((linkTarget) => ({ type: 'symlink' as const, linkTarget })),
  fc
    .tuple(fc.constantFrom('character' as const, 'block' as const), fc.nat(4095), fc.nat(1048575))
    .map(([type, major, minor]) => ({ type, device: { major, minor } })),
  fc.constant({ type: 'character' as const, device: { major: 300, minor: 3000 } }),
  fc.constant({ type: 'fifo' as const }),
  fc.constant({ type: 'socket' as const }),
)

const seedArbitrary = fc.record({
  name: nameArbitrary,
  below: fc.nat(),
  linkTo: fc.option(fc.nat(), { freq: 4 }),
  base: typed,
  mode: fc.nat(0o7777),
  uid: idArbitrary,
  gid: idArbitrary,
  mtimeNs: timeArbitrary,
  xattrs: xattrArbitrary,
})

/** A tree in the order of a manifest, names unlike each other. Long chains of directories make paths of 4,000 bytes. */
export const treeArbitrary: fc.Arbitrary<ManifestEntry[]> = fc.array(seedArbitrary, { maxLength: 12 }).map((seeds) => {
  const top = entry('', { type: 'directory', mode: 0o1777 })
  const tree = [top, entry(deepPath, { type: 'directory' })]
  const taken = new Set<string>()
  for (const { name, below, linkTo, base, ...rest } of seeds) {
    const directories = tree.filter(({ type }) => type === 'directory')
    const parent = directories[below % directories.length]!.path
    const path = parent.length === 0 ? name : Buffer.concat([parent, bytesOf('/'), name])
    if (taken.has(path.toString('latin1'))) continue
    taken.add(path.toString('latin1'))
    const linkable = tree.filter(({ type, hardLinkTo }) => type !== 'directory' && hardLinkTo === null)
    const first = linkTo === null ? undefined : linkable[linkTo % Math.max(1, linkable.length)]
    tree.push(first === undefined ? entry(path, { ...base, ...rest }) : furtherName(path, first))
  }
  return tree
})

const deepPath = Array.from({ length: 40 }, () => 'd'.repeat(99)).join('/')

/** The same tree with the number of names at each. */
export function withLinkCounts(tree: readonly ManifestEntry[]): ManifestEntry[] {
  const counts = new Map<string, number>()
  const key = ({ path, hardLinkTo }: ManifestEntry) => latin1Text(hardLinkTo ?? path)
  for (const one of tree) counts.set(key(one), (counts.get(key(one)) ?? 0) + 1)
  return tree.map((one) => ({ ...one, linkCount: counts.get(key(one))! }))
}
