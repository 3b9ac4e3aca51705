import { checkTarEntry, writeTar } from '../../../formats/tar/index.js'
import type { StreamSink } from '../kind.js'

export const tarSink: StreamSink = { hasContent: true, isText: false, check: checkTarEntry, write: writeTar }
