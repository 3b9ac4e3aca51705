import type { HostPath } from './host-files.js'

// Paths on disk and in headers are bytes, not text, so node:path cannot be used on them.

const slash = 0x2f

export function pathBytes(path: HostPath | Uint8Array): Buffer {
  return Buffer.from(path as Uint8Array)
}

export function isAbsolutePath(path: Uint8Array): boolean {
  return path[0] === slash
}

/** The last component, without trailing slashes. */
export function baseName(path: HostPath): Buffer {
  const bytes = withoutTrailingSlashes(pathBytes(path))
  return bytes.subarray(bytes.lastIndexOf(slash) + 1)
}

/** Everything before the last component; `.` when there is none. */
export function directoryName(path: HostPath): Buffer {
  const bytes = withoutTrailingSlashes(pathBytes(path))
  const end = bytes.lastIndexOf(slash)
  if (end < 0) return Buffer.from('.')
  return end === 0 ? Buffer.from('/') : bytes.subarray(0, end)
}

export function joinPath(directory: HostPath, name: HostPath | Uint8Array): Buffer {
  const head = pathBytes(directory)
  const separator = head.length === 0 || head[head.length - 1] === slash ? '' : '/'
  return Buffer.concat([head, Buffer.from(separator), pathBytes(name)])
}

/** The components of a path, without empty ones and `.`. */
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
