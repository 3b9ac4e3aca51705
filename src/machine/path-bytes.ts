import type { HostPath } from './host-files.js'

// Paths on disk and in headers are bytes, not text. node:path accepts only text.

const slash = 0x2f

export function pathBytes(path: HostPath | Uint8Array): Buffer {
  return Buffer.from(path as Uint8Array)
}

/** View bytes as a Buffer on the same memory, for its methods. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export function isAbsolutePath(path: Uint8Array): boolean {
  return path[0] === slash
}

/** Take the last component of a path, without trailing slashes. */
export function baseName(path: HostPath): Buffer {
  const bytes = withoutTrailingSlashes(pathBytes(path))
  return bytes.subarray(bytes.lastIndexOf(slash) + 1)
}

/** Take everything before the last component of a path; `.` when there is nothing. */
export function directoryName(path: HostPath): Buffer {
  const bytes = withoutTrailingSlashes(pathBytes(path))
  const end = bytes.lastIndexOf(slash)
  if (end < 0) return Buffer.from('.')
  return end === 0 ? Buffer.from('/') : bytes.subarray(0, end)
}

/** Join two paths with one allocation: walks of trees join several paths for each name. */
export function joinPath(directory: HostPath, name: HostPath | Uint8Array): Buffer {
  const head = typeof directory === 'string' ? Buffer.from(directory) : directory
  const tail = typeof name === 'string' ? Buffer.from(name) : name
  const needsSlash = head.length > 0 && head[head.length - 1] !== slash
  const start = needsSlash ? head.length + 1 : head.length
  const joined = Buffer.allocUnsafe(start + tail.length)
  joined.set(head as Uint8Array, 0)
  if (needsSlash) joined[head.length] = slash
  joined.set(tail as Uint8Array, start)
  return joined
}

/** Split a path into its components, without empty ones and `.`. */
export function pathComponents(path: Uint8Array): Buffer[] {
  const components: Buffer[] = []
  let start = 0
  for (let i = 0; i <= path.length; i++) {
    if (i < path.length && path[i] !== slash) continue
    const component = Buffer.from(path.subarray(start, i))
    if (component.length > 0 && !component.equals(dot)) components.push(component)
    start = i + 1
  }
  return components
}

const dot = Buffer.from('.')
export const dotDot = Buffer.from('..')

function withoutTrailingSlashes(path: Buffer): Buffer {
  let end = path.length
  while (end > 1 && path[end - 1] === slash) end--
  return path.subarray(0, end)
}
