import type { ModelDisk } from '../../../support/model-disk.js'

/** Tells disks apart by all that can be reached by name. Pages that disks share are looked at once. */
export function fingerprints(): (disk: ModelDisk) => string {
  const known = new WeakMap<Uint8Array, number>()
  const byBytes = new Map<string, number>()

  function numberOf(page: Uint8Array): number {
    const shared = known.get(page)
    if (shared !== undefined) return shared
    const text = Buffer.from(page.buffer, page.byteOffset, page.length).toString('latin1')
    const number = byBytes.get(text) ?? byBytes.size + 1
    byBytes.set(text, number)
    known.set(page, number)
    return number
  }

  return ({ initial }) => {
    const parts: unknown[] = []
    for (const { path, names } of initial.directories.values()) {
      for (const [name, inode] of names) {
        const file = initial.files.get(inode)
        if (file === undefined) continue
        const pages = Array.from(file.data.pages, (page) => (page === undefined ? 0 : numberOf(page)))
        parts.push(path, name, inode, file.state.size, file.state.mtimeNs, pages)
      }
    }
    return parts.join(' ')
  }
}
