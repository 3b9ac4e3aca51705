import { printablePath } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import { changeBetween, type HostFiles } from '../machine/host-files.js'
import type { InputFile } from './open.js'

const acceptIt = '; --force=in-use accepts the file as it is'

/**
 * Refuse an input that changed since it was opened: the read data may be torn.
 *
 * @param verb  for the advice to run it again
 * @throws      UmlcowError INPUT_CHANGED
 */
export function refuseChanged(
  files: HostFiles,
  input: InputFile,
  verb: 'merge' | 'copy' | 'convert' | 'compact' | 'pack' | 'map',
): void {
  const change = changeBetween(input.facts, files.statOpen(input.store))
  if (change === null) return
  throw new UmlcowError('INPUT_CHANGED', `${printablePath(input.path)}: was ${change} while it was read`, {
    hint: `halt the program that writes to it, then ${verb} again${verb === 'pack' ? '' : acceptIt}`,
  })
}
