import { printablePath } from '../../../../bytes/escape.js'
import { formatSize } from '../../../../bytes/size-text.js'
import { planCopyUpSize } from '../../../../engine/plan-copy-up.js'
import type { OverlayCounts } from '../../../../engine/plan-count.js'
import { executeLocally } from '../../../../machine/execute-locally.js'
import type { Finding } from '../../../../machine/findings.js'
import type { HostFiles, HostPath } from '../../../../machine/host-files.js'
import { directoryName } from '../../../../machine/path-bytes.js'
import type { Overlay } from '../../../../overlays/open-overlay.js'
import type { LocatedFile } from '../../../../overlays/resolve-backing.js'
import type { Sibling } from '../../../../overlays/siblings/sibling-search.js'
import type { InPlaceOptions } from '../options.js'
import { forEachSibling } from '../work.js'

/** The overlay, and the files that receive its sectors or the sectors that these overwrite. */
interface MergedFiles {
  readonly overlay: Overlay
  readonly backing: LocatedFile
  readonly kept: readonly Sibling[]
}

/** Find file systems that may lack room for the merge. It estimates high: the host may store some sectors already. */
export async function findRoom(
  files: HostFiles,
  { overlay, backing, kept }: MergedFiles,
  { touchedLength: touched }: OverlayCounts,
  options: InPlaceOptions,
): Promise<Finding[]> {
  const needs = new Map<string, { path: HostPath; bytes: number }>()
  const need = (path: HostPath, device: bigint, bytes: number) => {
    const known = needs.get(String(device))
    needs.set(String(device), { path: known?.path ?? path, bytes: (known?.bytes ?? 0) + bytes })
  }
  const holes = Math.max(0, backing.facts.size - backing.facts.allocatedSize)
  if (backing.facts.kind === 'file') need(backing.path, backing.facts.device, Math.min(touched, holes))
  await forEachSibling({ files, kept, options }, 'read', async (opened, sibling) => {
    const result = { bytes: 0 }
    await executeLocally(planCopyUpSize({ overlay, sibling: opened }, result), { signal: options.signal })
    need(sibling.path, sibling.facts.device, result.bytes)
  })
  if (options.backup !== undefined) {
    const directory = directoryName(options.backup)
    need(directory, (await files.stat(directory)).device, touched)
  }
  const findings: Finding[] = []
  for (const { path, bytes } of needs.values()) {
    const free = await files.freeSpace(path)
    if (bytes <= free) continue
    findings.push({
      code: 'NO_ROOM',
      message: `the file system of ${printablePath(path)} has ${formatSize(free)} free, and the merge may need ${formatSize(bytes)}`,
      force: 'room',
      hint: `free ${formatSize(bytes - free)} there`,
    })
  }
  return findings
}
