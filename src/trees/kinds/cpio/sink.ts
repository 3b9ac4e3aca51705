import { checkCpioEntry, writeCpio } from '../../../formats/cpio/index.js'
import type { StreamSink } from '../kind.js'

export const cpioSink: StreamSink = { hasContent: true, isText: false, check: checkCpioEntry, write: writeCpio }
