import fs from 'node:fs'
import path from 'node:path'

/** The PATH of an ordinary user does not always lead to the programs of administrators. */
const extraDirectories = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin']

/** Find the absolute path of a program of the host, in PATH and where distributions install it; null for none. */
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
