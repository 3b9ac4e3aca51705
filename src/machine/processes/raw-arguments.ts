import fs from 'node:fs'

/** Read the last `count` arguments of this process as bytes; null where the host does not show them. */
export function rawArguments(count: number): Buffer[] | null {
  let raw: Buffer
  try {
    raw = fs.readFileSync('/proc/self/cmdline')
  } catch {
    return null // No /proc: not Linux, or a bare chroot.
  }
  const words: Buffer[] = []
  for (let start = 0; start < raw.length; ) {
    const end = raw.indexOf(0, start)
    words.push(raw.subarray(start, end < 0 ? raw.length : end))
    start = end < 0 ? raw.length : end + 1
  }
  return words.slice(-count)
}
