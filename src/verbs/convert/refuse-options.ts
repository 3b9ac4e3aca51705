import { UmlcowError } from '../../errors.js'
import type { ConvertOptions } from './options.js'

/** Refuse options that contradict each other, or mean nothing together. @throws UmlcowError USAGE */
export function refuseOptions({
  format = 'raw',
  outputBacking,
  outputBackingFormat,
  pathStyle,
  ...options
}: ConvertOptions) {
  const refuse = (message: string, hint?: string) => {
    throw new UmlcowError('USAGE', message, { hint })
  }
  if (format === 'raw' && outputBacking !== undefined)
    refuse('a raw image has no backing file: -B needs -O cow or qcow2')
  if (format === 'cow' && outputBacking === undefined) {
    refuse('a COW file needs its backing file: -B BACKING', '"umlcow info" shows the backing file of the input')
  }
  if (outputBacking === undefined) {
    if (outputBackingFormat !== undefined || pathStyle !== undefined || options.unit !== undefined) {
      refuse('the format and the path of a backing file, and --unit, mean nothing without -B')
    }
  }
  if (format !== 'qcow2' && (options.clusterSize !== undefined || options.compress)) {
    refuse('a cluster size and compression are for qcow2: add -O qcow2')
  }
}
