import { readCpio } from '../../../formats/cpio/index.js'
import type { StreamSource } from '../kind.js'

export const cpioSource = { needsTree: false, read: readCpio } as const satisfies StreamSource
