import { pathText } from '../../bytes/escape.js'
import { jsonPath } from '../reports/backing.js'

/** A name for JSON: text, and its bytes under a second key where they are not UTF-8. */
export function nameKeys(key: string, name: Uint8Array): Record<string, string> {
  const isText = pathText(name) !== null
  return {
    [key]: jsonPath(name),
    ...(isText ? {} : { [`${key}-base64`]: Buffer.from(name).toString('base64') }),
  }
}
