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

/** Boot the real kernel on a raw image and let it hash the device and, where it can mount it, its files. */
export function bootOn(image: string, expected: string): { status: number | null; facts: VerifiedImage } {
  const tool = path.join(root, 'test/uml-lab/verify-image')
  const done = spawnSync('/usr/bin/python3', [tool, image, '--expect', expected], {
    encoding: 'utf8',
    timeout: 150_000,
  })
  if (done.stdout === '') throw new Error(`verify-image printed nothing: ${done.stderr}`)
  return { status: done.status, facts: JSON.parse(done.stdout) as VerifiedImage }
}
