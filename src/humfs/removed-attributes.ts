import { printablePath } from '../bytes/escape.js'
import type { FileAttribute } from '../machine/programs/getfattr-output.js'
import { listAttributes } from '../trees/attributes/attribute-losses.js'

/** Write a path of data for messages. */
export function nameInData(path: Uint8Array): string {
  return path.length === 0 ? 'data' : `data/${printablePath(path)}`
}

/**
 * Say that a change of owner removes capabilities. The message has the value: nothing else keeps it.
 * Source: Linux, capabilities(7), "File capabilities"; chown(2).
 */
export function tellRemoved(capabilities: readonly FileAttribute[]): string[] {
  return capabilities.map((one) => {
    const again = one.value === null ? '' : ` ("setfattr -n ${one.name} -v ${one.value} FILE" sets it again)`
    return `the change of owner removes ${listAttributes([one])}${again}`
  })
}
