import fs from 'node:fs'
import path from 'node:path'

/** Administrators' programs are not always on an ordinary user's PATH. */
const extraDirectories = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin']

/** The absolute path of a host's program, by PATH and by where distributions have it; null when there is none. */
export async function findProgram(name: string): Promise<string | null> {
  const directories = [...(process.env['PATH'] ?? '').split(path.delimiter), ...extraDirectories]
  for (const directory of directories.filter((one) => path.isAbsolute(one))) {
    const candidate = path.join(directory, name)
    try {
      await fs.promises.access(candidate, fs.constants.X_OK)
      if ((await fs.promises.stat(candidate)).isFile()) return candidate
    } catch {
      // Not here; the next directory may have it.
    }
  }
  return null
}
