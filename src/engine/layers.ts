import type { CowHeader, CowLayout } from '../formats/cow/index.js'
import type { BlockStore } from '../stores/block-store.js'

/** What a plan knows of an overlay: the store of its file, the numbers of its header, where its bitmap and its data are. */
export interface StoredOverlay {
  readonly store: BlockStore
  readonly header: Pick<CowHeader, 'sectorSize' | 'virtualSize'>
  readonly layout: CowLayout
}

/** What a merge puts together: an overlay, and a store with the bytes below it. */
export interface Layers {
  readonly overlay: StoredOverlay
  readonly backing: BlockStore
}
