import { concatBytes, copyOf, latin1Text, utf8Bytes } from '../../bytes/fast.js'
import { type ArchivePlace, archiveError } from './archive-error.js'

/** Longest path and link target that umlcow reads or writes. Linux takes 4095 bytes a call, but trees go deeper. */
export const maxPathLength = 65_535

const slash = 0x2f
const dot = 0x2e

/** List the components of a path, without empty ones and `.`. */
function* componentsOf(path: Uint8Array): Generator<Uint8Array> {
  let start = 0
  while (start <= path.length) {
    const found = path.indexOf(slash, start)
    const end = found < 0 ? path.length : found
    const isDot = end - start === 1 && path[start] === 0x2e
    if (end > start && !isDot) yield path.subarray(start, end)
    start = end + 1
  }
}

function isDotDot(component: Uint8Array): boolean {
  return component.length === 2 && component[0] === 0x2e && component[1] === 0x2e
}

/** Find out why a path is unsafe; null when it is safe. */
function faultOf(path: Uint8Array): string | null {
  if (path.length > maxPathLength) return `a path of ${path.length} bytes`
  if (path.includes(0)) return 'a path with a NUL byte'
  for (const component of componentsOf(path)) if (isDotDot(component)) return 'a path with the component ".."'
  return null
}

/** True for a path in the form of `ManifestEntry`. */
export function isCanonicalPath(path: Uint8Array): boolean {
  if (path.length > maxPathLength) return false
  if (path.length === 0) return true
  let start = 0
  for (let i = 0; i < path.length; i++) {
    if (path[i] === 0) return false
    if (path[i] !== slash) continue
    if (!isName(path, start, i)) return false
    start = i + 1
  }
  return isName(path, start, path.length)
}

/** Whether a component is neither empty nor `.` nor `..`. */
function isName(path: Uint8Array, start: number, end: number): boolean {
  if (end - start > 2) return true
  return end > start && !(path[start] === dot && (end - start === 1 || path[start + 1] === dot))
}

function canonical(path: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = []
  for (const component of componentsOf(path)) {
    if (parts.length > 0) parts.push(separator)
    parts.push(component)
  }
  return concatBytes(parts)
}

/** Take off one `./` at the start and one slash at the end, which most archives have. */
function withoutEnds(path: Uint8Array): Uint8Array {
  const start = path[0] === dot && path[1] === slash ? 2 : 0
  const end = path.length > start && path[path.length - 1] === slash ? path.length - 1 : path.length
  return path.subarray(start, end)
}

const separator = utf8Bytes('/')

/**
 * Make a path of an archive safe below any directory. The result is a copy.
 *
 * The function drops `./`, doubled slashes, and slashes at either end.
 *
 * @throws UmlcowError UNSAFE_PATH when the path holds `..` or a NUL byte, or is too long
 */
export function safePath(path: Uint8Array, name: string, { offset, line }: ArchivePlace): Uint8Array {
  const plain = withoutEnds(path)
  if (isCanonicalPath(plain)) return copyOf(plain)
  const fault = faultOf(path)
  if (fault !== null) throw archiveError('UNSAFE_PATH', name, fault, { path, offset, line })
  return canonical(path)
}

/** Convert a path to a key of a Map: one character for each byte. */
export function pathKey(path: Uint8Array): string {
  return latin1Text(path)
}
