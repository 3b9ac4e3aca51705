import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { root } from './paths.js'

/** What `test/uml-lab/verify-image` prints. */
export interface VerifiedImage {
  readonly guest_ok: boolean
  readonly sha256: string | null
  readonly fs_type?: string
  readonly fs_listing_sha256?: string
  readonly fs_files?: number
}

/** Boot the real kernel once on raw images and let it hash each device and, where it can mount it, its files. */
export function bootOn(...images: readonly string[]): VerifiedImage[] {
  const tool = path.join(root, 'test/uml-lab/verify-image')
  const done = spawnSync('/usr/bin/python3', [tool, ...images], { encoding: 'utf8', timeout: 150_000 })
  if (done.stdout === '') throw new Error(`verify-image printed nothing: ${done.stderr}`)
  return [JSON.parse(done.stdout)].flat()
}
