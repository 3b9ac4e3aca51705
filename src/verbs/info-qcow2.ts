import type { Qcow2Header, Qcow2Snapshot } from '../formats/qcow2/index.js'
import type { Layer } from '../images/image-formats.js'
import { listSnapshots } from '../images/qcow2/snapshot-table.js'
import type { HostFiles } from '../machine/host-files.js'
import type { FileUsers } from '../machine/processes/file-users.js'
import { type BackingInspection, type BackingOptions, inspectQcow2Backing } from '../overlays/inspect-backing.js'
import type { ProbedFile } from '../overlays/open.js'

/** What `info` also returns for a qcow2 image. A field is null when `info` did not look for it. */
export interface Qcow2Info {
  readonly header: Qcow2Header
  /** The internal snapshots: the first thousand of them. */
  readonly snapshots: readonly Qcow2Snapshot[]
  /** Null also when the image has no backing file. */
  readonly backing: BackingInspection | null
  readonly users: FileUsers | null
}

const mostSnapshots = 1000

/** Describe a qcow2 image: its header, its snapshots, its backing file. It reads no data. */
export async function infoOfQcow2(
  files: HostFiles,
  file: ProbedFile,
  { qcow2, below }: Layer & { readonly qcow2: Qcow2Header },
  options: BackingOptions & {
    readonly fast?: boolean | undefined
    readonly noBacking?: boolean | undefined
    readonly signal?: AbortSignal | undefined
  },
): Promise<Qcow2Info> {
  const snapshots: Qcow2Snapshot[] = []
  if (qcow2.snapshotCount > 0) {
    for await (const { snapshot } of listSnapshots(file.store, qcow2, options.signal)) {
      if (snapshots.push(snapshot) === mostSnapshots) break
    }
  }
  const backing =
    below === null || options.noBacking ? null : await inspectQcow2Backing(files, { ...file, below }, options)
  const users = options.fast ? null : (await files.users([file.facts]))[0]!
  return { header: qcow2, snapshots, backing, users }
}
