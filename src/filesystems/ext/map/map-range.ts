/** The blocks of a file to look at, half-open, and who wants to know of blocks of the map. */
export interface MapRange {
  readonly from: number
  readonly to: number
  readonly onMapBlock: ((block: number) => void) | undefined
}

/** More blocks than any file has. */
export const maxFileBlocks: number = 2 ** 32
