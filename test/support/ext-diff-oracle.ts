import type { ExtChange, ExtFileSystem, ExtInode } from '../../src/core.js'

// What changed between two file systems, by a walk over all names and a look at every byte of both. It knows nothing of
// blocks.

interface Entry {
  readonly path: string
  /** The directory, as a file, and the name in it. */
  readonly key: string
  /** Which file it is. */
  readonly id: string
  readonly inode: ExtInode
  readonly facts: Readonly<Record<string, string>>
  readonly content: Buffer
}

function idOf({ number, generation, crtime, type }: ExtInode): string {
  return [number, generation, crtime?.seconds, crtime?.nanoseconds, type].join()
}

async function listAll(files: ExtFileSystem): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>()
  const visit = async (inode: ExtInode, path: string, key: string): Promise<void> => {
    entries.set(key, { path, key, id: idOf(inode), inode, ...(await factsOf(files, inode)) })
    if (inode.type !== 'directory') return
    for await (const names of files.entries(inode)) {
      for (const { name, inode: number } of names) {
        const text = Buffer.from(name).toString('latin1')
        await visit(await files.inode(number), path === '' ? text : `${path}/${text}`, `${idOf(inode)}/${text}`)
      }
    }
  }
  await visit(await files.inode(2), '', '')
  return entries
}

async function factsOf(files: ExtFileSystem, inode: ExtInode): Promise<Pick<Entry, 'facts' | 'content'>> {
  let content = Buffer.alloc(0)
  if (inode.type === 'file') {
    content = Buffer.alloc(inode.size)
    await files.read(inode, 0, content)
  } else if (inode.type === 'symlink') content = Buffer.from(await files.readLink(inode))
  const attributes = (await files.attributes(inode)).map(
    ({ name, value }) => `${Buffer.from(name).toString('latin1')}=${Buffer.from(value).toString('hex')}`,
  )
  const { mode, uid, gid, size, mtime, linkCount, flags, device, projectId } = inode
  const facts = {
    mode,
    uid,
    gid,
    project: projectId ?? 0,
    // Directories of the same names can have other sizes.
    size: inode.type === 'directory' ? 0 : size,
    mtime,
    links: linkCount,
    // chattr +i, +a and such.
    flags: flags & 0xff,
    device,
    attributes: attributes.sort(),
  }
  const texts = Object.entries(facts).map(([name, value]) => [name, JSON.stringify(value)])
  return { content, facts: Object.fromEntries(texts) }
}

/** One line for each change: status, path, the path before, fields, ranges. */
export function changeLines(changes: readonly ExtChange[]): string[] {
  return changes
    .map(({ status, path, oldPath, fields, ranges }) => {
      const shown = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
      const from = status === 'renamed' && oldPath !== null ? ` from ${shown(oldPath)}` : ''
      return `${status} /${shown(path)}${from} ${fields} ${ranges.map(({ start, end }) => `${start}-${end}`)}`
    })
    .filter((line) => !line.startsWith('moved '))
    .sort()
}

/** What `changeLines` should give. */
export async function expectedLines(old: ExtFileSystem, now: ExtFileSystem): Promise<string[]> {
  const [before, after] = [await listAll(old), await listAll(now)]
  const { blockSize } = now.superblock
  const gained = new Map<string, Entry[]>()
  const lost = new Map<string, Entry[]>()
  const busy = new Set<string>()
  const note = (lists: Map<string, Entry[]>, entry: Entry) => {
    lists.set(entry.id, [...(lists.get(entry.id) ?? []), entry])
    busy.add(entry.key.slice(0, entry.key.indexOf('/')))
  }
  for (const [key, entry] of before) if (after.get(key)?.id !== entry.id) note(lost, entry)
  for (const [key, entry] of after) if (before.get(key)?.id !== entry.id) note(gained, entry)
  const oldIds = new Map([...before.values()].map((entry) => [entry.id, entry]))
  const newIds = new Map([...after.values()].map((entry) => [entry.id, entry]))
  const byPath = (list: Entry[] | undefined) => [...(list ?? [])].sort((a, b) => (a.path < b.path ? -1 : 1))
  const lines: string[] = []
  const compare = (a: Entry, b: Entry, implied: readonly string[]) => {
    const fields = Object.keys(a.facts).filter((name) => a.facts[name] !== b.facts[name] && !implied.includes(name))
    const ranges = rangesOf(a, b, blockSize)
    return { fields, ranges, text: `${fields} ${ranges}` }
  }
  for (const [id, entry] of newIds) {
    const origin = oldIds.get(id)
    const mine = byPath(gained.get(id))
    if (origin === undefined) {
      for (const one of mine) {
        const replaced = before.get(one.key)
        if (replaced === undefined) lines.push(`added /${one.path}  `)
        else if (replaced.inode.type !== one.inode.type) lines.push(`type /${one.path}  `)
        else {
          const { fields, ranges, text } = compare(replaced, one, [])
          if (ranges.length + fields.length > 0)
            lines.push(`${ranges.length > 0 ? 'modified' : 'metadata'} /${one.path} ${text}`)
        }
      }
      continue
    }
    const away = byPath(lost.get(id))
    const implied = [
      ...(mine.length + away.length > 0 ? ['links'] : []),
      ...(entry.inode.type === 'directory' ? (busy.has(id) ? ['mtime', 'links'] : []) : []),
    ]
    const { fields, ranges, text } = compare(origin, entry, implied)
    if (fields.length + ranges.length > 0) {
      const kept = [...after.values()].filter((one) => one.id === id && !mine.includes(one))
      for (const { path } of kept) lines.push(`${ranges.length > 0 ? 'modified' : 'metadata'} /${path} ${text}`)
    }
    for (const [i, { path }] of mine.entries()) {
      lines.push(i < away.length ? `renamed /${path} from ${away[i]!.path} ${text}` : `linked /${path}  `)
    }
    for (const { path, key } of away.slice(mine.length)) if (!after.has(key)) lines.push(`unlinked /${path}  `)
  }
  for (const [id] of oldIds) {
    if (newIds.has(id)) continue
    for (const { path, key } of lost.get(id) ?? []) if (!after.has(key)) lines.push(`deleted /${path}  `)
  }
  return lines.sort()
}

/** From the first to the last byte that differs in each stretch of blocks that differ. */
function rangesOf({ content: a, inode }: Entry, { content: b }: Entry, blockSize: number): string[] {
  if (inode.type === 'symlink') return a.equals(b) ? [] : [`0-${Math.max(a.length, b.length)}`]
  const common = Math.min(a.length, b.length)
  const ranges: [number, number][] = []
  const add = (start: number, end: number) => {
    const last = ranges[ranges.length - 1]
    if (last?.[1] === start) last[1] = end
    else ranges.push([start, end])
  }
  const differs = (from: number) =>
    !a.subarray(from, Math.min(common, from + blockSize)).equals(b.subarray(from, Math.min(common, from + blockSize)))
  for (let from = 0; from < common; from += blockSize) {
    if (!differs(from)) continue
    let end = from
    while (end < common && differs(end)) end += blockSize
    const bytes = Array.from({ length: Math.min(common, end) - from }, (_, i) => from + i).filter((i) => a[i] !== b[i])
    add(bytes[0]!, bytes[bytes.length - 1]! + 1)
    from = end
  }
  if (a.length !== b.length) add(common, Math.max(a.length, b.length))
  return ranges.map(([start, end]) => `${start}-${end}`)
}
