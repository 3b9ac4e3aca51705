// What was seen, in words. Nothing here knows which tool it was.
import { existsSync, readFileSync } from 'node:fs'
import { isSameLook } from './place.js'

/** @param {{ status: number | null, signal: string | null }} outcome */
export function exitText({ status, signal }) {
  return signal === null ? `exit ${status}` : `killed by ${signal}`
}

/** How a run ended; one that failed and left everything as it was has refused. */
export function endText(outcome, before, after) {
  const changed = !isSameLook(before, after)
  if (outcome.status === 0) return changed ? 'exit 0' : 'exit 0, nothing changed'
  return changed ? exitText(outcome) : `refused, ${exitText(outcome)}, nothing changed`
}

/** What an image holds. @param {{ old: Buffer, merged: Buffer }} known */
export function imageText(file, { old, merged }) {
  if (!existsSync(file)) return 'there is no image'
  const bytes = readFileSync(file)
  if (bytes.equals(merged)) return 'the image is right'
  if (bytes.equals(old)) return 'the image is as it was'
  if (bytes.length < merged.length && bytes.equals(merged.subarray(0, bytes.length))) {
    return bytes.length === 0
      ? '**the image has 0 bytes**'
      : `**the last ${merged.length - bytes.length} bytes are gone**`
  }
  if (bytes.length > merged.length && bytes.subarray(0, merged.length).equals(merged)) {
    return `the image is right, and ${bytes.length - merged.length} bytes longer`
  }
  return bytes.length === merged.length ? halfText(bytes, { old, merged }) : `**the image is damaged**`
}

function halfText(bytes, { old, merged }) {
  const share = mergedShare(bytes, { old, merged })
  if (share === null) return '**the image is damaged**'
  const tail = merged.length - (merged.length % 512)
  const isTail = bytes.subarray(0, tail).equals(merged.subarray(0, tail))
  return isTail ? `**the last ${merged.length - tail} bytes were not merged**` : '**the image is half merged**'
}

/** How much of what was to change has changed, 0 to 1; null when the image holds bytes of neither. */
export function mergedShare(bytes, { old, merged }) {
  let [changed, done] = [0, 0]
  for (let at = 0; at < merged.length; at += 512) {
    const end = Math.min(at + 512, merged.length)
    const isMerged = bytes.compare(merged, at, end, at, end) === 0
    const isOld = bytes.compare(old, at, end, at, end) === 0
    if (!isMerged && !isOld) return null
    if (isMerged && isOld) continue
    changed++
    if (isMerged) done++
  }
  return changed === 0 ? 1 : done / changed
}

/**
 * What a guest gets through an overlay.
 *
 * @param {{ refused?: string, bytes?: Buffer }} read
 * @param {Buffer} expected  what it got before
 */
export function readText(name, read, expected) {
  if (read.refused !== undefined) return `the ${name} is refused (${read.refused})`
  return read.bytes.equals(expected) ? `the ${name} reads what it read` : `**the ${name} reads other bytes, silently**`
}

export function listText(parts) {
  return parts.filter((part) => part !== '').join('; ')
}
