import type { ExecuteOptions } from '../../engine/execute.js'
import type { MergeInputs } from '../../engine/plan-merge.js'
import { UmlcowError } from '../../errors.js'
import type { ForceWord } from '../../host/guard.js'
import { type HostFiles, isSameFile } from '../../host/host-files.js'
import type { MergeJournal } from '../../host/merge-journal.js'
import { type InputFile, type Overlay, openOverlay } from '../../host/open-overlay.js'
import type { Sibling } from '../../host/siblings.js'
import type { FileAccess } from '../../stores/file-store.js'
import type { OperationOptions } from '../operation.js'
import type { MergeMtimes } from './mtimes.js'

/** A merge in place on its way through the protocol. */
export interface InPlaceWork {
  readonly files: HostFiles
  readonly options: OperationOptions & { readonly bufferSize?: number | undefined }
  readonly force: readonly ForceWord[]
  readonly overlay: Overlay & { readonly path: Buffer }
  readonly backing: InputFile & { readonly path: Buffer }
  /** Siblings to keep, the undo overlay among them. */
  readonly kept: readonly Sibling[]
  /** All mtimes in headers that are known, and the backing file's own. */
  readonly knownMtimes: readonly number[]
  readonly journalPath: Buffer
  readonly markerPath: Buffer
  /** The journal was there already. */
  readonly resumed: boolean
  journal: MergeJournal
  readonly mtimes: MergeMtimes
  readonly copied: Map<Sibling, number>
  verified: 'disk' | 'cache' | null
  readonly warnings: string[]
}

export function inputsOf({ overlay, backing }: Pick<InPlaceWork, 'overlay' | 'backing'>): MergeInputs {
  const { header, layout, store } = overlay
  return { overlay: store, backing: backing.store, dataOffset: layout.dataOffset, header, layout }
}

export function executeOptions(work: InPlaceWork): ExecuteOptions {
  return { signal: work.options.signal }
}

export async function syncUnlessForbidden(
  work: Pick<InPlaceWork, 'journal'>,
  store: { sync(): Promise<void> },
): Promise<void> {
  if (!work.journal.noSync) await store.sync()
}

/** Open a sibling, do something with it, close it. @throws UmlcowError INPUT_CHANGED when it is another file by now */
export async function withSibling<T>(
  work: Pick<InPlaceWork, 'files'>,
  sibling: Sibling,
  access: FileAccess,
  run: (overlay: Overlay) => Promise<T>,
): Promise<T> {
  const overlay = await openOverlay(work.files, sibling.path, access)
  try {
    const sameLayout = overlay.header.layout === sibling.header.layout
    if (!isSameFile(overlay.facts, sibling.facts) || !sameLayout) {
      throw new UmlcowError('INPUT_CHANGED', `${overlay.store.name}: was replaced meanwhile`)
    }
    return await run(overlay)
  } finally {
    await overlay.store.close()
  }
}
