import { readTar } from '../../../formats/tar/index.js'
import type { StreamSource } from '../kind.js'

export const tarSource = { needsTree: false, read: readTar } as const satisfies StreamSource
