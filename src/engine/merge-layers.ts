import type { CowHeader, CowLayout } from '../formats/cow/index.js'
import type { BlockStore } from '../stores/block-store.js'

/** What a plan needs of an overlay: its file, the sizes in its header, and where its bitmap and data start. */
export interface StoredOverlay {
  readonly store: BlockStore
  readonly header: Pick<CowHeader, 'sectorSize' | 'virtualSize'>
  readonly layout: CowLayout
}

/** The two inputs of a merge: an overlay, and a store with the bytes below it. */
export interface Layers {
  readonly overlay: StoredOverlay
  readonly backing: BlockStore
}
