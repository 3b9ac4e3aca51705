const suffixes: readonly string[] = ['K', 'M', 'G', 'T', 'P']
const digits = new Set('0123456789')

/**
 * Parse a size as people write it: `4096`, `512K`, `1.5G`, `10GiB`. Suffixes in either case are powers of 1024.
 *
 * @returns bytes; null when the text is not a size, or not a whole, safe number of bytes
 */
export function parseSize(text: string): number | null {
  const { number, suffix } = splitSuffix(text.trim())
  const [whole, fraction = '', ...more] = number.split('.')
  if (more.length > 0 || !isDigits(whole ?? '') || (fraction === '' && number.includes('.'))) return null
  if (fraction !== '' && !isDigits(fraction)) return null
  const power = suffix === '' ? 0 : suffixes.indexOf(suffix) + 1
  if (suffix !== '' && power === 0) return null
  const size = Number(number) * 1024 ** power
  return Number.isSafeInteger(size) ? size : null
}

/** Say why `parseSize` did not take a text, for messages. */
export function sizeProblem(text: string): string {
  const { number, suffix } = splitSuffix(text.trim())
  const isNumber = number.split('.').every((part) => part !== '' && [...part].every((one) => digits.has(one)))
  if (!isNumber || (suffix !== '' && !suffixes.includes(suffix))) {
    return `"${text}" is not a size: give bytes, or a number with K, M, G, T or P, such as 10G`
  }
  const size = Number(number) * 1024 ** (suffixes.indexOf(suffix) + 1)
  if (size > Number.MAX_SAFE_INTEGER) return `"${text}" is too large: umlcow takes sizes below 8P`
  return `"${text}" is not a whole number of bytes`
}

function splitSuffix(text: string): { number: string; suffix: string } {
  let end = 0
  while (end < text.length && (digits.has(text[end]!) || text[end] === '.')) end++
  let suffix = text.slice(end).toUpperCase()
  if (suffix.length === 3 && suffix.endsWith('IB')) suffix = suffix.slice(0, 1)
  else if (suffix === 'B') suffix = ''
  return { number: text.slice(0, end), suffix }
}

function isDigits(text: string): boolean {
  return text.length > 0 && text.length <= 17 && [...text].every((character) => digits.has(character))
}

/** Format a size for people: `16 MiB`, `2.25 KiB`, `976.6 KiB`, `1023 B`. At most four digits, no zeros at the end. */
export function formatSize(bytes: number): string {
  let value = bytes
  let unit = ''
  for (const suffix of suffixes) {
    if (value < 1024) break
    value /= 1024
    unit = `${suffix}i`
  }
  return `${Number(value.toFixed(value < 10 ? 2 : 1))} ${unit}B`
}
