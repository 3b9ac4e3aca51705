import { printablePath } from '../../bytes/escape.js'
import type { Overlay } from '../../overlays/open-overlay.js'

/** Warn about an overlay with sectors of another length than the kernel takes them for. */
export function sectorSizeWarnings({ path, header: { sectorSize } }: Pick<Overlay, 'path' | 'header'>): string[] {
  if (sectorSize === 512) return []
  return [
    `${printablePath(path)}: its sector size is ${sectorSize}; the kernel takes it for 512 and misreads such an ` +
      'overlay, so a guest may have seen other data than it holds',
  ]
}
