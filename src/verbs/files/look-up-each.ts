import { hasCode, type UmlcowError } from '../../errors.js'
import type { HostPath } from '../../machine/host-files.js'
import { namingImage } from '../../overlays/open-file-system.js'

export interface LeftOutOptions {
  /**
   * Called for each path that does not exist, or is of the wrong kind; it is left out. Default: the first one is an error
   */
  readonly onLeftOut?: ((error: UmlcowError) => void) | undefined
}

/**
 * Look up paths inside an image, in order.
 *
 * @param image  for messages
 * @throws UmlcowError FS_NOT_FOUND, NOT_A_FILE without `onLeftOut`; and what `lookUp` throws
 */
export async function lookUpEach<Path, Found>(
  image: HostPath,
  paths: readonly Path[],
  { onLeftOut }: LeftOutOptions,
  lookUp: (path: Path) => Promise<Found>,
): Promise<Found[]> {
  const found: Found[] = []
  for (const path of paths) {
    try {
      found.push(await namingImage(image, () => lookUp(path)))
    } catch (error) {
      if (onLeftOut === undefined || !hasCode(error, 'FS_NOT_FOUND', 'NOT_A_FILE')) throw error
      onLeftOut(error as UmlcowError)
    }
  }
  return found
}
