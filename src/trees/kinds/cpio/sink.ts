import { checkCpioEntry, writeCpio } from '../../../formats/cpio/index.js'
import type { StreamSink } from '../kind.js'

export const cpioSink: StreamSink = {
  hasContent: true,
  isCopy: true,
  isText: false,
  check: checkCpioEntry,
  write: writeCpio,
}
