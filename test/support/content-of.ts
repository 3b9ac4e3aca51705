import { openImage } from '../../src/overlays/open-image.js'

/** Read all that a guest sees of an image. */
export async function contentOf(file: string): Promise<Buffer> {
  const image = await openImage(file)
  try {
    const bytes = Buffer.alloc(image.virtualSize)
    await image.read(0, bytes)
    return bytes
  } finally {
    await image.close()
  }
}
