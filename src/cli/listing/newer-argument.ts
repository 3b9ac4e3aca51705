import { InvalidArgumentError } from 'commander'
import { parseDigits } from '../../bytes/decimal.js'

/** A condition on the time of files, for the library. */
export type Newer = { readonly newer: number } | { readonly newerThan: string }

const dateForm = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?$/

/** A date, `@` with seconds since 1970, or the path of a file in the image. Without a zone, a date is in that of TZ. */
export function newerArgument(text: string): Newer {
  if (text.startsWith('/')) return { newerThan: text }
  const seconds = text.startsWith('@') ? parseDigits(Buffer.from(text.slice(1)), 10) : secondsOfDate(text)
  if (seconds !== null) return { newer: seconds }
  throw new InvalidArgumentError(
    'Give a date such as 2026-01-31 or "2026-01-31 12:00", @SECONDS since 1970, or the path of a file in the image.',
  )
}

function secondsOfDate(text: string): number | null {
  if (!dateForm.test(text)) return null
  // Node takes a date without a time for UTC.
  const form = text.length === '2026-01-31'.length ? `${text}T00:00` : text.replace(' ', 'T')
  const milliseconds = Date.parse(form)
  return Number.isNaN(milliseconds) ? null : milliseconds / 1000
}
