/** The formats of manifests, with content or without. */
export const streamFormats = ['tar', 'cpio', 'mtree', 'fakeroot', 'squashfs'] as const

export type StreamFormat = (typeof streamFormats)[number]
